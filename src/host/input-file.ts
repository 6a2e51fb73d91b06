import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Kept in memory by every Linux distribution; what may be secret must not meet a disk. */
const directory = '/dev/shm';
/** `O_TMPFILE` (open(2)), which Node does not name; the same number on all that Node runs on. */
const withoutName = 0o20000000 | constants.O_DIRECTORY;

/**
 * A file without a name that holds a program's input. Given as standard input it can also be opened
 * as `/dev/stdin`, which `wg` does and which fails on the sockets that Node uses for pipes.
 * It vanishes when both we and the program have closed it, or ended.
 */
export async function openInput(text: string): Promise<FileHandle> {
  const file = await open(directory, withoutName | constants.O_RDWR, 0o600);
  try {
    // At a given place, which leaves the shared position at the start for the reader.
    await file.write(text, 0, 'utf8');
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
