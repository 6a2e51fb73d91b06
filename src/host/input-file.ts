import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Kept in memory by every Linux distribution; what may be secret must not meet a disk. */
const directory = '/dev/shm';

/**
 * A file without a name that holds a program's input. Given as standard input it can also be opened
 * as `/dev/stdin`, which `wg` does and which fails on the sockets that Node uses for pipes.
 * It vanishes when both we and the program have closed it.
 */
export async function openInput(text: string): Promise<FileHandle> {
  const path = join(directory, `hanse-input-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    // Before anything is in it, so that nobody can find it by its name.
    await rm(path);
    // At a given place, which leaves the shared position at the start for the reader.
    await file.write(text, 0, 'utf8');
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
