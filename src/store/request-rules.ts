import { InvalidInputError } from '../model/error.ts';
import type { Operation, RangeOptions, Transaction, WatchOptions } from './store.ts';

/*
 * What every store refuses before it does anything, so that code which works on one store works on
 * all of them. The limits are etcd's defaults (`--max-txn-ops`, `--max-request-bytes`), less some
 * room for its own framing.
 */

export const maxKeyBytes = 1_024;
/** Operations, and also comparisons, of one transaction. */
export const maxTransactionOperations = 128;
/** Keys and values of all operations of one transaction together. */
export const maxTransactionBytes = 1_048_576;
/** etcd grants nothing shorter, whatever is asked for. */
export const minLeaseTtlMs = 1_000;

/** @throws InvalidInputError when this cannot be a key */
export function checkKey(key: string): void {
  if (key.length === 0) throw new InvalidInputError('a key of the store must not be empty');
  checkKeyText(key);
  const bytes = Buffer.byteLength(key);
  if (bytes > maxKeyBytes) {
    throw new InvalidInputError(
      `the key "${key.slice(0, 64)}…" has ${bytes} bytes, the most is ${maxKeyBytes}`,
    );
  }
}

/** @throws InvalidInputError when no key could start with this; the empty prefix is all keys */
export function checkPrefix(prefix: string): void {
  checkKeyText(prefix);
}

/** Text that has one form in UTF-8: else two different keys could become the same one. */
function checkKeyText(text: string): void {
  if (!text.isWellFormed() || text.includes('\0')) {
    throw new InvalidInputError(
      `${JSON.stringify(text.slice(0, 64))} is not a key: half characters and U+0000 are not allowed`,
    );
  }
}

/** @throws InvalidInputError when it breaks a limit or has two operations on one key */
export function checkTransaction(transaction: Transaction): void {
  checkCount('comparisons', transaction.if.length);
  checkCount('operations', transaction.then.length);
  for (const comparison of transaction.if) checkKey(comparison.key);
  const keys = new Set<string>();
  let bytes = 0;
  for (const operation of transaction.then) {
    const key = keyOf(operation);
    checkKey(key);
    if (keys.has(key))
      throw new InvalidInputError(`the transaction has two operations on the key "${key}"`);
    keys.add(key);
    bytes += key.length + ('put' in operation ? operation.value.byteLength : 0);
  }
  if (bytes > maxTransactionBytes) {
    throw new InvalidInputError(
      `the transaction writes ${bytes} bytes, the most is ${maxTransactionBytes}`,
    );
  }
}

function checkCount(what: string, count: number): void {
  if (count > maxTransactionOperations) {
    throw new InvalidInputError(
      `the transaction has ${count} ${what}, the most is ${maxTransactionOperations}`,
    );
  }
}

function keyOf(operation: Operation): string {
  return 'put' in operation ? operation.put : operation.delete;
}

/** @throws InvalidInputError */
export function checkRange(prefix: string, options: RangeOptions): void {
  checkPrefix(prefix);
  if (options.after !== undefined) checkPrefix(options.after);
  if (options.limit !== undefined && !(Number.isSafeInteger(options.limit) && options.limit > 0))
    throw new InvalidInputError(`the limit of a range must be 1 or more, not ${options.limit}`);
}

/** @throws InvalidInputError */
export function checkWatch(options: WatchOptions): void {
  if (options.prefixes.length === 0)
    throw new InvalidInputError('a watch needs at least one prefix; the empty one is all keys');
  for (const prefix of options.prefixes) checkPrefix(prefix);
  checkRevision(options.afterRevision);
}

/** @throws InvalidInputError */
export function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw new InvalidInputError(`a revision is 0 or a positive integer, not ${revision}`);
}

/** @throws InvalidInputError */
export function checkLeaseTtl(ttlMs: number): void {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < minLeaseTtlMs) {
    throw new InvalidInputError(
      `a lease must last a whole number of milliseconds, at least ${minLeaseTtlMs}, not ${ttlMs}`,
    );
  }
}
