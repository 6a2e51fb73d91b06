import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** On a disk, as the store would be: /tmp may be memory. */
const parent = '/var/tmp';
const namePattern = /^hanse-bench-(\d+)-/;

/** Where a run keeps its files. Gone with the run, however it ends; after SIGKILL, with the next run. */
export class BenchDirectory implements AsyncDisposable {
  readonly path: string;
  readonly #interrupted: () => never;

  private constructor(path: string) {
    this.path = path;
    this.#interrupted = () => {
      rmSync(path, { recursive: true, force: true });
      process.exit(1);
    };
    process.once('SIGINT', this.#interrupted).once('SIGTERM', this.#interrupted);
  }

  static async create(): Promise<BenchDirectory> {
    await removeAbandoned();
    return new BenchDirectory(await mkdtemp(join(parent, `hanse-bench-${process.pid}-`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('SIGINT', this.#interrupted).off('SIGTERM', this.#interrupted);
    await rm(this.path, { recursive: true, force: true });
  }
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = namePattern.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}
