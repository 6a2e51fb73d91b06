import { StoreError } from '../store-error.ts';

/** Primary result codes (sqlite.org/rescode.html). */
const busy = 5;
const locked = 6;
const readOnly = 8;
const corrupt = 11;
const full = 13;
const cannotOpen = 14;
const protocol = 15;
const notADatabase = 26;

/** The primary code of an error that SQLite raised; undefined for any other. */
function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  // The upper bits only say which kind of busy, of I/O error and so on.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** Whether another connection was in the way, so that nothing happened and it may be tried again. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  // `protocol`: the log's index changed too often while a read began; SQLite had tried for a while.
  return code === busy || code === locked || code === protocol;
}

const reasons: Readonly<Record<number, string>> = {
  [busy]: 'another process has kept it locked for too long',
  [locked]: 'another process has kept it locked for too long',
  [protocol]: 'other processes were too busy with it for too long',
  [readOnly]: 'this user may not write to it, or to its directory',
  [full]: 'the disk is full',
  [cannotOpen]: 'it cannot be opened: check that it is a file of this user',
};

/** Translates what SQLite raised; any other error is returned as it is. */
export function toStoreError(error: unknown, operation: string, path: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code === corrupt || code === notADatabase) {
    return new StoreError(`${path} is not a store, or it is damaged`, {
      code: 'corrupt',
      fields: { path },
      cause: error,
    });
  }
  const reason = reasons[code] ?? 'reading or writing it failed';
  return new StoreError(`the store ${path} is not available: ${reason}`, {
    code: 'unavailable',
    fields: { operation },
    retryable: true,
    cause: error,
  });
}
