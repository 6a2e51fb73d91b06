import type { WatchBatch, WatchOptions } from '../store.ts';
import { type ObserveStore, observed } from '../store-observer.ts';
import { retryWhileBusy } from './busy-retry.ts';
import type { ChangeFeed, FeedListener } from './change-feed.ts';
import { toStoreError } from './sqlite-error.ts';

export interface WatchDependencies {
  readonly feed: ChangeFeed;
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly observe?: ObserveStore | undefined;
}

/**
 * One consumer's place in the history. It holds a revision and no changes: each `next` looks from
 * there on, so a consumer that takes its time costs nothing and misses nothing.
 *
 * A generator would not do: its `return` waits for the `next` that is under way, which may be for ever.
 */
export class Watch implements AsyncIterableIterator<WatchBatch, undefined>, FeedListener {
  readonly #dependencies: WatchDependencies;
  readonly #prefixes: readonly string[];
  readonly #signal: AbortSignal;
  /** Everything up to and including this revision has been delivered or is of no interest. */
  #afterRevision: number;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  /** Present while a `next` waits for the feed. */
  #waiter: (() => void) | undefined;
  /** Ends when the `next` before has ended; they are answered one after the other. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(options: WatchOptions, signal: AbortSignal, dependencies: WatchDependencies) {
    this.#prefixes = options.prefixes;
    this.#afterRevision = options.afterRevision;
    this.#signal = signal;
    this.#dependencies = dependencies;
    if (signal.aborted) {
      this.#ended = true;
      return;
    }
    signal.addEventListener('abort', this.#end, { once: true });
    dependencies.feed.attach(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<WatchBatch, undefined>> {
    const result = this.#previous.then(() => this.#next());
    // The failure is its caller's to handle; the next call finds the watch ended.
    this.#previous = result.catch(() => undefined);
    return result;
  }

  return(): Promise<IteratorResult<WatchBatch, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  wake(): void {
    this.#waiter?.();
    this.#waiter = undefined;
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    // At once: nobody may ever ask for the next batch.
    this.#dependencies.feed.detach(this);
    this.wake();
  }

  readonly #end = (): void => {
    this.#ended = true;
    this.#dependencies.feed.detach(this);
    this.#signal.removeEventListener('abort', this.#end);
    this.wake();
  };

  async #next(): Promise<IteratorResult<WatchBatch, undefined>> {
    try {
      const batch = await this.#nextBatch();
      return batch ? { done: false, value: batch } : { done: true, value: undefined };
    } catch (error) {
      this.#end();
      throw toStoreError(this.#failure?.error ?? error, 'watch', this.#dependencies.path);
    }
  }

  /** @returns undefined when the watch has ended */
  async #nextBatch(): Promise<WatchBatch | undefined> {
    const { feed } = this.#dependencies;
    while (!this.#ended) {
      if (this.#failure) throw this.#failure.error;
      const batch = await this.#read();
      if (this.#ended) return undefined;
      this.#afterRevision = batch.revision;
      if (batch.changes.length > 0) return batch;
      // No await between this look at the head and the wait, or a wake-up could be missed.
      if (feed.head <= batch.revision) await this.#woken();
    }
    return undefined;
  }

  async #read(): Promise<WatchBatch> {
    const { feed, observe, busyTimeoutMs } = this.#dependencies;
    using _ = observed(observe, 'watch');
    const options = { prefixes: this.#prefixes, afterRevision: this.#afterRevision };
    return await retryWhileBusy(() => feed.read(options), { timeoutMs: busyTimeoutMs });
  }

  #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiter = resolve;
    return promise;
  }
}
