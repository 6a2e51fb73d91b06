import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { privateDirectoryMode } from '../runtime/durable-file.ts';
import { MemberError } from './member-error.ts';

/** SQLITE_BUSY (https://www.sqlite.org/rescode.html#busy). */
const sqliteBusy = 5;

/**
 * Keeps two daemons off one directory.
 *
 * Node has no `flock`, and a file with a process id in it outlives a SIGKILL. So the lock is an
 * exclusive transaction on an empty SQLite database, which the kernel's record lock stands for: it
 * is gone in the moment that its process is, and there is never a stale one to judge.
 *
 * @throws MemberError `directory-busy` when another process, or this one, holds it
 */
export async function lockDirectory(directory: string): Promise<Disposable> {
  await mkdir(directory, { recursive: true, mode: privateDirectoryMode });
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw isBusy(error) ? busyError(directory, error) : error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

function busyError(directory: string, cause: unknown): MemberError {
  return new MemberError(
    `another member daemon runs on ${directory}: ask it (its socket is member.sock), stop it, or give another directory`,
    { code: 'directory-busy', fields: { directory }, cause },
  );
}
