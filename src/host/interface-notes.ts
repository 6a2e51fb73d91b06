import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readIfPresent } from '../runtime/durable-file.ts';

const noteSchema = z.object({
  /** The alias that the interface has or was about to get. */
  alias: z.string(),
  /** Of its `wireguard-go`, once started. */
  pid: z.number().int().positive().optional(),
});

/** What must be known of an interface that cannot be read off the interface itself. */
export type InterfaceNote = z.infer<typeof noteSchema>;

/** A log that a `wireguard-go` writes into memory, on a machine that may not be looked at for years. */
const maxLogBytes = 1024 * 1024;

/**
 * Notes on disk about the interfaces that are ours, one file each, in a directory that a restart of
 * the machine empties, as it does away with the interfaces. A note is written before its interface
 * is made and outlives it: so an interface which was being made when we were killed can be told
 * from a stranger's.
 */
export class InterfaceNotes {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(name: string, note: InterfaceNote): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#pathOf(name);
    // In one step: an interface whose note is lost half-way would be a stranger's.
    await writeFile(`${path}.new`, JSON.stringify(note), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /** Undefined when there is none, or one that we did not write. */
  async read(name: string): Promise<InterfaceNote | undefined> {
    const text = (await readIfPresent(this.#pathOf(name))) ?? '';
    try {
      return noteSchema.parse(JSON.parse(text));
    } catch {
      // Whatever it is, it does not say that the interface is ours.
      return undefined;
    }
  }

  async remove(name: string): Promise<void> {
    const paths = [this.#pathOf(name), `${this.#pathOf(name)}.new`, this.logPath(name)];
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }

  /** The names of all interfaces that were made, or begun, under the alias. */
  async namesOf(alias: string): Promise<readonly string[]> {
    const files = await readdir(this.#directory).catch(noneWhenMissing);
    const names = files.flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []));
    const notes = await Promise.all(names.map((name) => this.read(name)));
    return names.filter((_, index) => notes[index]?.alias === alias);
  }

  /** Where the interface's `wireguard-go` writes what goes wrong. */
  logPath(name: string): string {
    return join(this.#directory, `${name}.log`);
  }

  async readLog(name: string): Promise<string> {
    return (await readFile(this.logPath(name), 'utf8').catch(() => '')).trim();
  }

  /** Throws the log away when it has grown long. */
  async trimLog(name: string): Promise<void> {
    const path = this.logPath(name);
    const bytes = await stat(path).then(
      ({ size }) => size,
      // Kernel interfaces have none.
      () => 0,
    );
    if (bytes > maxLogBytes) await truncate(path);
  }

  #pathOf(name: string): string {
    return join(this.#directory, `${name}.json`);
  }
}

function noneWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
