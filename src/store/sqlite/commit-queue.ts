import { setImmediate as nextTurn } from 'node:timers/promises';
import { HanseError } from '../../model/error.ts';
import { systemClock } from '../../runtime/clock.ts';
import { StoreError } from '../store-error.ts';
import { type ObserveStore, observed } from '../store-observer.ts';
import { type BusyRetryOptions, retryWhileBusy } from './busy-retry.ts';
import type { Connection } from './connection.ts';
import { toStoreError } from './sqlite-error.ts';
import { type Tables, WriteSession } from './write-session.ts';

/** One commit carries at most this many jobs and takes new ones for this long. */
const maxBatchJobs = 512;
const maxBatchMs = 8;
/**
 * A process that has written without a break for this long makes one, in which the others, who try
 * every 1 to 2 ms, get the lock. A tenth of the throughput buys that nobody starves.
 */
const maxOccupationMs = 20;
const courtesyPauseMs = 2;
/**
 * COMMIT waits for the disk and holds the event loop meanwhile. After one, jobs are gathered for this
 * many times as long before the next, so that a process that writes all the time still spends most of
 * it on its other work; but never for so long that an answer would be felt to be late.
 */
const gatherFactor = 4;
const maxGatherMs = 5;

export interface CommitQueueOptions extends BusyRetryOptions {
  readonly path: string;
  readonly historyRevisions: number;
}

export interface CommitQueueDependencies {
  readonly connection: Connection;
  readonly tables: Tables;
  readonly observe?: ObserveStore | undefined;
  /** Called after each commit, before its jobs are answered. It must not throw. */
  readonly onCommitted: () => void;
}

/** A job that waits. Exactly one of what `apply` returns and `reject` is called in the end. */
interface PendingJob {
  /** Does the work; the result answers the job. Throws only what concerns the whole batch. */
  readonly apply: (session: WriteSession) => () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: all jobs of one turn of the event loop, and those that come while another process
 * has the lock, share one COMMIT. None is answered before it. In the order of submission, each sees
 * the effects of those before it.
 *
 * One loop owns the queue; it runs while there are jobs.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #dependencies: CommitQueueDependencies;
  /** In the order of submission. */
  readonly #pending = new Set<PendingJob>();
  #running: Promise<void> | undefined;
  #closed = false;
  /** Since when this process has been writing without a break, and when it last did. */
  #occupiedSinceMs = 0;
  #lastCommitMs = 0;
  #lastCommitTookMs = 0;

  constructor(options: CommitQueueOptions, dependencies: CommitQueueDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /**
   * Answers with what the job returned, once that is on the disk.
   * @param job must throw HanseErrors only before its first write
   * @throws StoreError `unavailable`: nothing of the job has happened, or COMMIT itself failed
   * @throws the signal's reason, when it is aborted before the job has begun
   */
  submit<T>(job: (session: WriteSession) => T, signal?: AbortSignal): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const pending: PendingJob = {
      apply: (session) => {
        const outcome = outcomeOf(() => job(session));
        return () => (outcome.ok ? resolve(outcome.value) : reject(outcome.error));
      },
      reject,
    };
    const cancel = () => {
      if (this.#pending.delete(pending)) reject(signal?.reason);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    this.#pending.add(pending);
    this.#running ??= this.#run();
    return promise.finally(() => signal?.removeEventListener('abort', cancel));
  }

  /** Refuses new jobs; resolves when those submitted before have been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#pending.size > 0) {
      await this.#maybePause();
      await this.#gather();
      await this.#commitBatch();
    }
    this.#running = undefined;
  }

  async #maybePause(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#lastCommitMs > courtesyPauseMs) this.#occupiedSinceMs = nowMs;
    if (nowMs - this.#occupiedSinceMs < maxOccupationMs) return;
    await systemClock.sleep(courtesyPauseMs);
    this.#occupiedSinceMs = performance.now();
  }

  async #gather(): Promise<void> {
    const gatherMs = Math.min(maxGatherMs, this.#lastCommitTookMs * gatherFactor);
    const leftMs = this.#lastCommitMs + gatherMs - performance.now();
    if (leftMs >= 1) await systemClock.sleep(leftMs);
    else await nextTurn();
  }

  async #commitBatch(): Promise<void> {
    const { connection, observe, onCommitted } = this.#dependencies;
    try {
      await retryWhileBusy(() => connection.begin(), this.#options);
    } catch (error) {
      this.#rejectAll([], error);
      return;
    }
    // No await from here to the end: the lock of all processes is held.
    using _ = observed(observe, 'commit');
    const batch: PendingJob[] = [];
    try {
      const answers = this.#apply(batch);
      const commitMs = performance.now();
      connection.commit();
      this.#lastCommitMs = performance.now();
      this.#lastCommitTookMs = this.#lastCommitMs - commitMs;
      onCommitted();
      for (const answer of answers) answer();
    } catch (error) {
      this.#rejectAll(batch, error);
      connection.rollback();
    }
  }

  /** Moves jobs from the queue to the batch and does their work. */
  #apply(batch: PendingJob[]): (() => void)[] {
    const session = new WriteSession(this.#dependencies.tables);
    const untilMs = performance.now() + maxBatchMs;
    const answers: (() => void)[] = [];
    for (const job of this.#pending) {
      this.#pending.delete(job);
      batch.push(job);
      answers.push(job.apply(session));
      if (batch.length === maxBatchJobs || performance.now() >= untilMs) break;
    }
    session.finish(this.#options.historyRevisions);
    return answers;
  }

  /** Also those that still wait: what stops a batch would stop them too, and they would never end. */
  #rejectAll(batch: readonly PendingJob[], error: unknown): void {
    const translated = toStoreError(error, 'transact', this.#options.path);
    for (const job of [...batch, ...this.#pending]) job.reject(translated);
    this.#pending.clear();
  }
}

type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: HanseError };

/** A HanseError is the answer to one job; anything else is thrown on and fails the batch. */
function outcomeOf<T>(job: () => T): Outcome<T> {
  try {
    return { ok: true, value: job() };
  } catch (error) {
    if (error instanceof HanseError) return { ok: false, error };
    throw error;
  }
}

/** What every call on a closed store ends with. */
export function closedError(): StoreError {
  return new StoreError('the store has been closed', {
    code: 'unavailable',
    fields: { operation: 'close' },
  });
}
