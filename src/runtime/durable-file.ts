import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Secrets and identities: nobody but the daemon's own user. */
export const privateFileMode = 0o600;
export const privateDirectoryMode = 0o700;

/**
 * Replaces a file so that after a crash at any moment either the old or the new contents are there,
 * whole. When it resolves, the new contents are on the disk.
 */
export async function writeDurably(
  path: string,
  contents: string,
  mode = privateFileMode,
): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: privateDirectoryMode });
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    await using file = await open(temporary, 'wx', mode);
    await file.writeFile(contents);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await rename(temporary, path);
  await syncDirectory(directory);
}

/**
 * Makes a new file, whole and on the disk when it resolves; one that is there is never replaced.
 * @throws NodeJS.ErrnoException `EEXIST` when there is one
 */
export async function createDurably(
  path: string,
  contents: Uint8Array,
  mode = privateFileMode,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    await using file = await open(temporary, 'wx', mode);
    await file.writeFile(contents);
    await file.sync();
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(directory);
}

/** Deletes a file so that it stays deleted after a crash. Harmless when there is none. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path)).catch(ignoreMissing);
}

/** The contents, or undefined when there is no such file. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    ignoreMissing(error);
    return undefined;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
