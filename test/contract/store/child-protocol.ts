import type { LeaseId, WatchBatch, WatchOptions } from '../../../src/store/store.ts';

/** What a test asks of another process that has the store open. Each starts a job; jobs run side by side. */
export type ChildCommand =
  /**
   * Writes transactions with two keys, `PREFIXa/N` and `PREFIXb/N`, `atOnce` at a time, and reports
   * each one once it has been acknowledged. Without a count it never ends.
   */
  | {
      readonly kind: 'write';
      readonly prefix: string;
      readonly atOnce: number;
      readonly count?: number;
    }
  /** Adds 1 to the number under the key, by comparing and trying again, so often. */
  | { readonly kind: 'increment'; readonly key: string; readonly count: number }
  /** Reports every batch. */
  | { readonly kind: 'watch'; readonly options: WatchOptions }
  /** Binds the key to a new lease, which it never keeps alive. */
  | { readonly kind: 'hold'; readonly key: string; readonly ttlMs: number }
  /**
   * Takes the key with a lease that it keeps alive, and writes `KEY/written` on and on, on condition
   * that it still holds the key: reports every write, and `deposed` when the condition fails.
   */
  | { readonly kind: 'act'; readonly key: string; readonly ttlMs: number }
  /** Reads or writes the key once, and reports what came of it. */
  | { readonly kind: 'attempt'; readonly what: 'get' | 'put'; readonly key: string }
  /** Closes the store and ends the process. */
  | { readonly kind: 'close' };

export type ChildReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'acknowledged'; readonly number: number; readonly revision: number }
  | { readonly kind: 'batch'; readonly batch: WatchBatch }
  | { readonly kind: 'held'; readonly lease: LeaseId }
  | { readonly kind: 'deposed' }
  /** `outcome` is `done` or an error's code. */
  | { readonly kind: 'attempted'; readonly outcome: string; readonly value?: string }
  | { readonly kind: 'done'; readonly command: ChildCommand['kind'] }
  | { readonly kind: 'failed'; readonly message: string };
