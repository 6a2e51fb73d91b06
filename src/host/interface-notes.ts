import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfPresent } from '../runtime/durable-file.ts';

/** Marks a note that is not whole yet. */
const unfinished = '.new';

/**
 * Notes on disk about interfaces that are being made, one file each. A note is written before its
 * interface exists and removed when the interface itself carries its owner's alias: so an interface
 * which was being made when we were killed can be told from a stranger's.
 */
export class InterfaceNotes {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param alias the one that the interface is about to get */
  async write(name: string, alias: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#pathOf(name);
    await writeFile(`${path}${unfinished}`, alias, { mode: 0o600 });
    await rename(`${path}${unfinished}`, path);
  }

  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name);
    await Promise.all([path, `${path}${unfinished}`].map((file) => rm(file, { force: true })));
  }

  /** The names of all interfaces whose making was begun under the alias and not finished. */
  async namesOf(alias: string): Promise<readonly string[]> {
    const files = await readdir(this.#directory).catch(noneWhenMissing);
    const names = files.filter((file) => !file.endsWith(unfinished));
    const aliases = await Promise.all(names.map((name) => readIfPresent(this.#pathOf(name))));
    return names.filter((_, index) => aliases[index] === alias);
  }

  #pathOf(name: string): string {
    return join(this.#directory, name);
  }
}

function noneWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
