import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { privateDirectoryMode, readIfPresent, writeDurably } from '../runtime/durable-file.ts';

/**
 * The contents of a secret file, made when there is none. A file that is there is never replaced:
 * a command that is run again goes on with the keys of its first run, and of two that run at once
 * both get the same.
 */
export async function keepOrCreate(path: string, create: () => string): Promise<string> {
  const kept = await readIfPresent(path);
  if (kept !== undefined) return kept;
  const draft = draftBeside(path);
  try {
    await writeDurably(draft, create());
    await link(draft, path);
  } catch (error) {
    if (!isTaken(error)) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  await syncDirectory(dirname(path));
  return readFile(path, 'utf8');
}

/**
 * Makes a directory with all its files at once. Does nothing when there is one that is not empty,
 * so that of two that run at once one wins whole.
 */
export async function createWhole(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const draft = draftBeside(directory);
  await mkdir(draft, { recursive: true, mode: privateDirectoryMode });
  try {
    for (const [name, contents] of Object.entries(files)) {
      await writeDurably(join(draft, name), contents);
    }
    await rename(draft, directory);
  } catch (error) {
    if (!isTaken(error)) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  await syncDirectory(dirname(directory));
}

function draftBeside(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.draft`;
}

function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EEXIST' || code === 'ENOTEMPTY';
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}
