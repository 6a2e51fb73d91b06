/**
 * The store: ordered keys with revisions, in the manner of etcd (DESIGN §4).
 *
 * Guarantees that every implementation gives, and that `test/contract/store.ts` checks:
 * - A transaction that has been answered survives the death of any process and of the machine.
 * - Transactions are serializable and each one that writes has a revision of its own, greater than
 *   all before it. Revisions are never reused.
 * - A watch delivers every change after the revision that it starts from, in order, each one once,
 *   whichever process made it; or it fails with `compacted`, never silently.
 * - A key bound to a lease is gone once the lease has ended, and not before; its removal is a
 *   change like any other. Watches are told of it within some 100 ms (etcd: 500 ms, and all leases
 *   begin anew when it chooses another leader).
 * - A read shows all that was answered before it began. Only while a cluster has no majority, it shows
 *   what one member knows: perhaps without the newest changes of others, but never less than this
 *   handle has been told before, by whichever call. No change is made meanwhile, so a decision that is
 *   written on condition of what it was made from is as safe as ever.
 *
 * Keys are Unicode text without U+0000, ordered by code points. `request-rules.ts` has the limits of
 * keys and transactions; what breaks them is refused with an InvalidInputError.
 *
 * All waits take an `AbortSignal` and reject with its reason; an aborted transaction may or may not
 * have been applied. Values handed in must not be changed before the answer, values handed out never.
 *
 * Every call fails with StoreError `unavailable` when the store is out of reach, within some seconds,
 * and with `denied` when it does not let us. Disposing ends watches with `unavailable` and answers or
 * fails what is under way; leases go on until their time is over.
 */
export interface Store extends AsyncDisposable {
  get(key: string, signal?: AbortSignal): Promise<Entry | undefined>;

  /** Everything under the prefix, in key order, as of one revision. Page with `limit` what may be large. */
  range(prefix: string, options?: RangeOptions, signal?: AbortSignal): Promise<RangeResult>;

  /**
   * Applies `then` if every comparison holds, else nothing. Only the answer to one transaction says
   * that another one comes after it.
   * @throws StoreError `lease-ended` when a lease in `then` is; nothing has been applied
   * @throws StoreError `unavailable` (retryable) when the store is out of reach, or when the outcome is
   *   unknown: it may have been applied, and on a cluster may still be, some seconds later. So whatever
   *   must not happen twice or late is written on a condition that its first success makes false.
   */
  transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult>;

  /**
   * Changes to keys under any of the prefixes, from the first revision after `afterRevision`.
   * Batches never split a revision, and none is empty; changes of one revision come in the order of
   * the transaction's operations. Ends, without an error, when the signal is aborted or the iterator
   * is closed. Changes made by this process come at once, those of others within 50 ms (etcd: in the
   * first 100 ms of a watch, within these). A consumer that takes its time costs little memory; only
   * one that is behind a `compact` may fail. A cluster out of reach ends no watch: it goes on later.
   * @throws StoreError `compacted` when that history is gone: range again, then watch from there
   */
  watch(options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchBatch>;

  /**
   * @param ttlMs how long the lease lasts at least without `keepLeaseAlive`; 1,000 or more. Stores may
   *   grant somewhat more: etcd whole seconds, and no fewer than two
   */
  grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseId>;

  /** Starts the lease's time anew. @throws StoreError `lease-ended` when it is too late. */
  keepLeaseAlive(lease: LeaseId, signal?: AbortSignal): Promise<void>;

  /** Ends the lease and deletes its keys. Harmless when it has ended already. */
  revokeLease(lease: LeaseId, signal?: AbortSignal): Promise<void>;

  /**
   * Forgets history up to and including the revision; the current entries stay. Stores also forget
   * by themselves what is very old.
   * @throws InvalidInputError when the revision is yet to come
   */
  compact(revision: number, signal?: AbortSignal): Promise<void>;
}

/** Opaque; unique for the life of the store. */
export type LeaseId = string & { readonly __brand: 'LeaseId' };

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision that created the key; a key that was deleted and came back has a new one. */
  readonly createRevision: number;
  /** The revision that wrote this value. */
  readonly modRevision: number;
  readonly lease?: LeaseId;
}

export interface RangeOptions {
  /** At most this many entries. */
  readonly limit?: number;
  /** Only keys greater than this one, to page on. */
  readonly after?: string;
  /** From the last key to the first; `after` then means smaller than. */
  readonly reverse?: boolean;
}

export interface RangeResult {
  readonly entries: readonly Entry[];
  /** The store's revision at the time of the read: watch after it to miss nothing. */
  readonly revision: number;
}

/** `modRevision` or `createRevision` 0 means that the key does not exist. */
export type Comparison =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly createRevision: number };

/**
 * A put without a lease unbinds the key from the one it had. A put of the same value is a change; a
 * delete of a key that does not exist is none.
 */
export type Operation =
  | { readonly put: string; readonly value: Uint8Array; readonly lease?: LeaseId }
  | { readonly delete: string };

export interface Transaction {
  readonly if: readonly Comparison[];
  /** At most one operation per key. */
  readonly then: readonly Operation[];
}

/**
 * `revision` is the transaction's own when it changed anything, else the store's, so that a watch
 * after it misses nothing that came later.
 */
export type TransactionResult =
  | { readonly succeeded: true; readonly revision: number }
  /** `failed`: the first comparison that did not hold. */
  | { readonly succeeded: false; readonly revision: number; readonly failed: Comparison };

export interface WatchOptions {
  readonly prefixes: readonly string[];
  readonly afterRevision: number;
}

export interface WatchBatch {
  /** Everything up to and including this revision has been delivered. */
  readonly revision: number;
  readonly changes: readonly Change[];
}

export type Change =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number };
