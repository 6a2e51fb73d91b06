import { status } from '@grpc/grpc-js';
import { StoreError } from '../store-error.ts';
import type { StoreOperation } from '../store-observer.ts';
import type { CallError } from './call-error.ts';

/** What each member said when it was last asked, for a message that lets an operator act. */
export class Failures {
  readonly #byAddress = new Map<string, string>();

  add({ message, failure }: CallError): void {
    this.#byAddress.set(failure.address, message);
  }

  toString(): string {
    return this.#byAddress.size === 0 ? 'no time to ask' : [...this.#byAddress.values()].join('; ');
  }
}

/** Nobody has done it, and nobody could now. */
export function outOfReach(
  operation: StoreOperation | 'open',
  url: string,
  failures: Failures,
  cause?: unknown,
): StoreError {
  return new StoreError(
    `the store ${url} is out of reach, and nothing has been changed: ${failures}`,
    { code: 'unavailable', fields: { operation }, retryable: true, cause },
  );
}

/** It may have been done, or may yet be. */
export function outcomeUnknown(
  operation: StoreOperation,
  url: string,
  cause: CallError,
): StoreError {
  return new StoreError(
    `whether the store ${url} has made the change is not known: ${cause.message}`,
    { code: 'unavailable', fields: { operation }, retryable: true, cause },
  );
}

/** It has not even been asked for. */
export function overloaded(operation: StoreOperation, url: string, cause: unknown): StoreError {
  return new StoreError(
    `the store ${url} has too much to do, and nothing has been changed: too many requests are before this one`,
    { code: 'unavailable', fields: { operation }, retryable: true, cause },
  );
}

export function closedError(): StoreError {
  return new StoreError('the store has been closed', {
    code: 'unavailable',
    fields: { operation: 'close' },
    retryable: false,
  });
}

/** What etcd refuses for reasons that have nothing to do with the request. Nothing has been changed. */
export function refusal(operation: StoreOperation, url: string, cause: CallError): StoreError {
  const isFull = cause.says('database space exceeded');
  const isDenied = isAccessRefusal(cause);
  const advice = isFull
    ? ': its database has reached its quota; compact and defragment it, raise the quota if it must grow, then run "etcdctl alarm disarm"'
    : isDenied
      ? `: check the user, its password and the role's permission on the prefix of the URL, or the client certificate`
      : '';
  return new StoreError(
    `the store ${url} refuses, and nothing has been changed (${cause.message})${advice}`,
    {
      code: isDenied ? 'denied' : 'unavailable',
      fields: { operation },
      // What an operator mends meanwhile succeeds.
      retryable: !isDenied,
      cause,
    },
  );
}

export function isAccessRefusal(error: CallError): boolean {
  const { code } = error.failure;
  return (
    code === status.PERMISSION_DENIED ||
    code === status.UNAUTHENTICATED ||
    error.verdict === 'token' ||
    error.says('authentication failed') ||
    error.says('permission denied')
  );
}
