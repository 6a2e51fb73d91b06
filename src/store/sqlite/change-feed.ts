import type { Change, WatchBatch, WatchOptions } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { type ChangeLog, keyOf } from './change-log.ts';
import { ChangeWindow } from './change-window.ts';
import type { Connection } from './connection.ts';
import type { CounterRow } from './counter-row.ts';
import { isBusy } from './sqlite-error.ts';

/** A fifth of the 50 ms in which a change of another process must have been delivered. */
const pollIntervalMs = 10;
/** One step of reading: what fits between two turns of the event loop without being noticed. */
const stepRevisions = 256;
const windowLimits = { maxChanges: 4_096, maxBytes: 8_388_608 };

/** Somebody who waits for changes. */
export interface FeedListener {
  /** The head has moved on. */
  wake(): void;
  /** The feed cannot be read any more. */
  fail(error: unknown): void;
}

export interface ChangeFeedDependencies {
  readonly connection: Connection;
  readonly counters: CounterRow;
  readonly changes: ChangeLog;
}

/**
 * One reader of the change log for all watches of a store. While anybody listens, it keeps the
 * newest changes in a window: it is told about commits of its own process, and finds those of others
 * by polling SQLite's data version, which costs microseconds.
 */
export class ChangeFeed {
  readonly #dependencies: ChangeFeedDependencies;
  readonly #listeners = new Set<FeedListener>();
  /** Absent while nobody listens. */
  #window: ChangeWindow | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The version at which the window had been brought up to the log's end; undefined: not yet. */
  #dataVersion: number | undefined;

  constructor(dependencies: ChangeFeedDependencies) {
    this.#dependencies = dependencies;
  }

  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** The revision up to which changes have been read; a listener is woken when it moves. */
  get head(): number {
    return this.#window?.head ?? 0;
  }

  attach(listener: FeedListener): void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#poll(), pollIntervalMs);
  }

  /** Harmless when it is not attached. */
  detach(listener: FeedListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.#stop();
  }

  /** To be called after each commit of this process. */
  notifyCommitted(): void {
    // SQLite's data version does not move with our own commits.
    this.#dataVersion = undefined;
    if (this.#window) this.#poll();
  }

  /** Ends all waits with the error. */
  fail(error: unknown): void {
    for (const listener of [...this.#listeners]) listener.fail(error);
  }

  /**
   * The next changes under the prefixes. With no changes, the batch still tells how far to go on;
   * its revision is `afterRevision` when there is nothing yet.
   * @throws StoreError `compacted`
   * @throws SQLite's errors; "busy" when it is to be tried again
   */
  read({ prefixes, afterRevision }: WatchOptions): WatchBatch {
    this.#window ??= this.#openWindow();
    const window = this.#window;
    if (afterRevision >= window.head) return { revision: afterRevision, changes: [] };
    if (afterRevision < window.start) {
      const batch = this.#readLog(afterRevision);
      return { ...batch, changes: under(prefixes, batch.changes) };
    }
    return { revision: window.head, changes: under(prefixes, window.changesAfter(afterRevision)) };
  }

  #openWindow(): ChangeWindow {
    const { connection, counters } = this.#dependencies;
    const { revision } = connection.read(() => counters.read());
    return new ChangeWindow(revision, windowLimits);
  }

  /** One step, past the window: for those who are behind it. */
  #readLog(afterRevision: number): WatchBatch {
    const { connection, counters, changes } = this.#dependencies;
    return connection.read(() => {
      const { revision, compactedRevision } = counters.read();
      if (afterRevision < compactedRevision) throw compacted(afterRevision, compactedRevision);
      const through = Math.min(afterRevision + stepRevisions, revision);
      return { revision: through, changes: changes.read(afterRevision, through) };
    });
  }

  #poll(): void {
    if (!this.#window) return;
    try {
      const dataVersion = this.#dependencies.connection.dataVersion();
      if (dataVersion === this.#dataVersion) return;
      if (this.#advance(this.#window)) this.#dataVersion = dataVersion;
      else setImmediate(() => this.#poll());
    } catch (error) {
      // Somebody recovers or closes the log just now: the next poll comes soon enough.
      if (!isBusy(error)) this.fail(error);
    }
  }

  /** Reads one step into the window. @returns whether that was all there is */
  #advance(window: ChangeWindow): boolean {
    const { connection, counters, changes } = this.#dependencies;
    const oldHead = window.head;
    const atEnd = connection.read(() => {
      const { revision, compactedRevision } = counters.read();
      window.dropThrough(compactedRevision);
      const through = Math.min(window.head + stepRevisions, revision);
      window.append(changes.read(window.head, through), through);
      return through === revision;
    });
    if (window.head > oldHead) for (const listener of [...this.#listeners]) listener.wake();
    return atEnd;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#window = undefined;
    this.#dataVersion = undefined;
  }
}

function under(prefixes: readonly string[], changes: readonly Change[]): readonly Change[] {
  return changes.filter((change) => prefixes.some((prefix) => keyOf(change).startsWith(prefix)));
}

function compacted(afterRevision: number, compactedRevision: number): StoreError {
  return new StoreError(
    `changes after revision ${afterRevision} cannot be delivered: history up to ${compactedRevision} is forgotten`,
    { code: 'compacted', fields: { afterRevision, compactedRevision } },
  );
}
