import { resolve } from 'node:path';
import { type Log, silentLog } from '../../runtime/log.ts';
import {
  checkKey,
  checkLeaseTtl,
  checkRange,
  checkRevision,
  checkTransaction,
  checkWatch,
} from '../request-rules.ts';
import type {
  Entry,
  LeaseId,
  RangeOptions,
  RangeResult,
  Store,
  Transaction,
  TransactionResult,
  WatchBatch,
  WatchOptions,
} from '../store.ts';
import { type ObserveStore, observed, type StoreOperation } from '../store-observer.ts';
import { type BootClock, openSystemBootClock } from './boot-clock.ts';
import { retryWhileBusy } from './busy-retry.ts';
import { ChangeFeed } from './change-feed.ts';
import { ChangeLog } from './change-log.ts';
import { CommitQueue, closedError } from './commit-queue.ts';
import { Connection } from './connection.ts';
import { CounterRow } from './counter-row.ts';
import { EntryTable } from './entry-table.ts';
import { LeaseSweeper } from './lease-sweeper.ts';
import { LeaseTable } from './lease-table.ts';
import { prepareSchema } from './schema.ts';
import { toStoreError } from './sqlite-error.ts';
import { ensureStoreFile } from './store-file.ts';
import { Watch } from './watch.ts';
import type { Tables, WriteSession } from './write-session.ts';

/** Hours of ordinary work; a consumer that was away for longer ranges again. */
const defaultHistoryRevisions = 100_000;
/** Longer than any commit takes; whoever holds the lock for longer has been stopped. */
const defaultBusyTimeoutMs = 10_000;

export interface SqliteStoreOptions {
  /** The file; its directory must exist, on a local disk. */
  readonly path: string;
  /** How many of the newest revisions can be watched again; older history is forgotten as work goes on. */
  readonly historyRevisions?: number;
  /** How long an operation waits for another process before it fails with `unavailable`. */
  readonly busyTimeoutMs?: number;
}

export interface SqliteStoreDependencies {
  readonly log?: Log;
  readonly bootClock?: BootClock;
  readonly observe?: ObserveStore;
}

/**
 * Opens the store in a file, and makes it when there is none. Any number of processes of one machine
 * may have it open.
 * @throws InvalidInputError when the directory does not exist
 * @throws StoreError `corrupt` when the file is something else, damaged, or of a later version;
 *   `unavailable` when it may not be read and written
 */
export async function openSqliteStore(
  options: SqliteStoreOptions,
  dependencies: SqliteStoreDependencies = {},
): Promise<Store> {
  // Absolute, or SQLite would take names such as ":memory:" for something else than a file.
  const path = resolve(options.path);
  const timeoutMs = options.busyTimeoutMs ?? defaultBusyTimeoutMs;
  ensureStoreFile(path);
  await using opened = new AsyncDisposableStack();
  try {
    const connection = opened.use(await retryWhileBusy(() => connect(path), { timeoutMs }));
    const store = opened.use(
      new SqliteStore({ ...options, path }, { ...dependencies, connection }),
    );
    await store.endLeasesOfOtherBoots();
    opened.move();
    return store;
  } catch (error) {
    throw toStoreError(error, 'open', path);
  }
}

function connect(path: string): Connection {
  const connection = new Connection(path);
  try {
    prepareSchema(connection, path);
    return connection;
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #busyTimeoutMs: number;
  readonly #observe: ObserveStore | undefined;
  readonly #connection: Connection;
  readonly #tables: Tables;
  readonly #feed: ChangeFeed;
  readonly #queue: CommitQueue;
  readonly #sweeper: LeaseSweeper;
  #closing: Promise<void> | undefined;

  constructor(
    options: SqliteStoreOptions,
    dependencies: SqliteStoreDependencies & { readonly connection: Connection },
  ) {
    const { connection, observe, bootClock = openSystemBootClock() } = dependencies;
    const { path, historyRevisions = defaultHistoryRevisions } = options;
    this.#path = path;
    this.#busyTimeoutMs = options.busyTimeoutMs ?? defaultBusyTimeoutMs;
    this.#observe = observe;
    this.#connection = connection;
    this.#tables = openTables(connection, bootClock);
    this.#feed = new ChangeFeed({ connection, ...this.#tables });
    this.#queue = new CommitQueue(
      { path, historyRevisions, timeoutMs: this.#busyTimeoutMs },
      {
        connection,
        tables: this.#tables,
        observe,
        onCommitted: () => this.#feed.notifyCommitted(),
      },
    );
    this.#sweeper = new LeaseSweeper({
      isNeeded: () => this.#feed.isWatched || !this.#tables.leases.isEmpty(),
      hasDue: () => this.#tables.leases.hasDue(),
      endDue: () => this.#endDueLeases(),
      log: dependencies.log ?? silentLog(),
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<Entry | undefined> {
    checkKey(key);
    return this.#read('get', () => this.#tables.entries.get(key), signal);
  }

  async range(
    prefix: string,
    options: RangeOptions = {},
    signal?: AbortSignal,
  ): Promise<RangeResult> {
    checkRange(prefix, options);
    return this.#read(
      'range',
      () => ({
        entries: this.#tables.entries.range(prefix, options),
        revision: this.#tables.counters.read().revision,
      }),
      signal,
    );
  }

  async transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult> {
    checkTransaction(transaction);
    return this.#write('transact', (session) => session.transact(transaction), signal);
  }

  watch(options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchBatch> {
    checkWatch(options);
    if (this.#closing) throw closedError();
    this.#sweeper.start();
    return new Watch(options, signal, {
      feed: this.#feed,
      path: this.#path,
      busyTimeoutMs: this.#busyTimeoutMs,
      observe: this.#observe,
    });
  }

  async grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseId> {
    checkLeaseTtl(ttlMs);
    const lease = await this.#write('lease', (session) => session.grantLease(ttlMs), signal);
    this.#sweeper.start();
    return lease;
  }

  keepLeaseAlive(lease: LeaseId, signal?: AbortSignal): Promise<void> {
    return this.#write('lease', (session) => session.keepLeaseAlive(lease), signal);
  }

  revokeLease(lease: LeaseId, signal?: AbortSignal): Promise<void> {
    return this.#write('lease', (session) => session.endLease(lease), signal);
  }

  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    checkRevision(revision);
    let isMore = await this.#write('compact', (session) => session.compact(revision), signal);
    while (isMore) isMore = await this.#write('compact', (session) => session.trim(), signal);
  }

  /** Leases of before the machine was started are over, though their times may look otherwise. */
  async endLeasesOfOtherBoots(): Promise<void> {
    if (this.#tables.leases.ofOtherBoots().length === 0) return;
    await this.#queue.submit((session) => session.endLeasesOfOtherBoots());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sweeper[Symbol.dispose]();
    this.#feed.fail(closedError());
    await this.#queue.close();
    this.#connection[Symbol.dispose]();
  }

  /** Nobody is ever shown a key whose lease is over: such leases are ended first. */
  async #read<T>(operation: StoreOperation, body: () => T, signal?: AbortSignal): Promise<T> {
    using _ = observed(this.#observe, operation);
    signal?.throwIfAborted();
    if (this.#closing) throw closedError();
    try {
      const isDue = await this.#retry(() => this.#tables.leases.hasDue(), signal);
      if (isDue) await this.#endDueLeases(signal);
      return await this.#retry(() => this.#connection.read(body), signal);
    } catch (error) {
      if (this.#closing && !signal?.aborted) throw closedError();
      throw toStoreError(error, operation, this.#path);
    }
  }

  #retry<T>(attempt: () => T, signal?: AbortSignal): Promise<T> {
    return retryWhileBusy(attempt, { timeoutMs: this.#busyTimeoutMs }, signal);
  }

  async #write<T>(
    operation: StoreOperation,
    job: (session: WriteSession) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    using _ = observed(this.#observe, operation);
    return await this.#queue.submit(job, signal);
  }

  /** Every write begins with it, so one that does nothing is enough. */
  #endDueLeases(signal?: AbortSignal): Promise<void> {
    return this.#queue.submit(() => undefined, signal);
  }
}

function openTables(connection: Connection, bootClock: BootClock): Tables {
  return {
    counters: new CounterRow(connection),
    entries: new EntryTable(connection),
    changes: new ChangeLog(connection),
    leases: new LeaseTable(connection, bootClock),
  };
}
