import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
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
  const temporary = draftBeside(path);
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
  const temporary = draftBeside(path);
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

/**
 * Deletes what writers left in a directory that were killed, so that it stays deleted after a crash.
 * For whoever alone writes there. Harmless when there is no such directory.
 */
export async function removeDrafts(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => {
    ignoreMissing(error);
    return [];
  });
  for (const name of names) if (draftPattern.test(name)) await removeDurably(join(directory, name));
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

function draftBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
}

/** As `draftBeside` names them. */
const draftPattern = /^\..+\.[0-9a-f]{12}$/;

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
