import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { HanseError, InvalidInputError } from '../../model/error.ts';
import { privateFileMode } from '../../runtime/durable-file.ts';
import { StoreError } from '../store-error.ts';

/**
 * Makes sure that there is a file which only its owner can read. SQLite gives the files that it
 * puts beside it the same mode.
 *
 * An existing file must never be opened here: closing it again would release all locks that this
 * process holds on it through other connections (sqlite.org/howtocorrupt.html §2.2). And no `await`
 * may stand between creating the file and closing it, for the same reason.
 *
 * @throws InvalidInputError when the directory does not exist or the path is not a file
 * @throws StoreError `unavailable` when the operating system refuses
 */
export function ensureStoreFile(path: string): void {
  try {
    createOrRestrict(path);
  } catch (error) {
    throw error instanceof HanseError ? error : refused(path, error);
  }
}

function createOrRestrict(path: string): void {
  const directory = dirname(path);
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidInputError(
      `the store's directory ${directory} does not exist: create it, or name another path`,
    );
  }
  try {
    closeSync(openSync(path, 'wx', privateFileMode));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    restrict(path);
  }
}

function restrict(path: string): void {
  const found = statSync(path);
  if (!found.isFile()) throw new InvalidInputError(`${path} is not a file, so it is not a store`);
  if ((found.mode & 0o077) !== 0) chmodSync(path, privateFileMode);
}

function refused(path: string, error: unknown): StoreError {
  const reason = errnoOf(error) ?? 'the system refused';
  return new StoreError(
    `the store ${path} is not available: ${reason}; check who owns it and its directory`,
    { code: 'unavailable', fields: { operation: 'open' }, retryable: true, cause: error },
  );
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
