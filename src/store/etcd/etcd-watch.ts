import { Backoff } from '../../runtime/backoff.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { WatchBatch, WatchOptions } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { type ObserveStore, observed } from '../store-observer.ts';
import { CallError } from './call-error.ts';
import { ChangeAssembler } from './change-assembler.ts';
import type { Cluster } from './cluster.ts';
import { isAccessRefusal, refusal } from './etcd-failure.ts';
import { commonPrefix, type KeySpace } from './key-space.ts';
import type { WatchResponse } from './proto/rpc_pb.ts';
import { keyOf } from './records.ts';
import { WatchStream } from './watch-stream.ts';

export interface EtcdWatchDependencies {
  readonly cluster: Cluster;
  readonly keys: KeySpace;
  readonly log: Log;
  readonly observe: ObserveStore | undefined;
  /** Told about every revision up to which changes have been delivered. */
  readonly onRevision: (revision: number) => void;
  readonly onEnd: () => void;
}

type WatchedMember = Pick<WatchStream, 'endpoint' | 'token'>;

/**
 * One consumer's place in the history, on whichever member can go on from there. It watches what all
 * its prefixes have in common, and leaves out the rest, so that there is one order and nothing to merge.
 *
 * It has no failure but those that nobody mends by waiting: without a store in reach, it waits for one.
 * A generator would not do: its `return` waits for the `next` that is under way, which may be for ever.
 */
export class EtcdWatch implements AsyncIterableIterator<WatchBatch, undefined> {
  readonly #dependencies: EtcdWatchDependencies;
  readonly #prefixes: readonly string[];
  readonly #signal: AbortSignal;
  /** Aborted when the watch has ended or failed. */
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff({ minMs: 20, maxMs: 1_000 });
  /** Everything up to and including this revision has been delivered or is of no interest. */
  #afterRevision: number;
  #source: { readonly stream: WatchStream; readonly assembler: ChangeAssembler } | undefined;
  #failure: StoreError | undefined;
  /** Whether the token has been renewed since the last watch that was permitted. */
  #isTokenFresh = false;
  /** Ends when the `next` before has ended; they are answered one after the other. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(options: WatchOptions, signal: AbortSignal, dependencies: EtcdWatchDependencies) {
    this.#prefixes = options.prefixes;
    this.#afterRevision = options.afterRevision;
    this.#signal = signal;
    this.#dependencies = dependencies;
    if (signal.aborted) this.#end();
    else signal.addEventListener('abort', this.#end, { once: true });
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

  /** Makes the `next` that waits fail, or else the one to come; then the watch has ended. */
  fail(error: StoreError): void {
    if (this.#stop.signal.aborted) return;
    this.#failure = error;
    this.#end();
  }

  readonly #end = (): void => {
    this.#signal.removeEventListener('abort', this.#end);
    this.#stop.abort();
    this.#closeSource();
    this.#dependencies.onEnd();
  };

  async #next(): Promise<IteratorResult<WatchBatch, undefined>> {
    while (!this.#stop.signal.aborted) {
      const batch = await this.#receive();
      if (batch && batch.changes.length > 0) return { done: false, value: batch };
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
    return { done: true, value: undefined };
  }

  /** Waits for one response. @returns undefined when there has been none, and it is for `#next` to go on or end */
  async #receive(): Promise<WatchBatch | undefined> {
    const source = this.#source ?? this.#openSource();
    try {
      const response = await source.stream.next();
      if (this.#stop.signal.aborted) return undefined;
      if (response.canceled) throw this.#cancellation(response, source.stream);
      if (response.created) {
        this.#backoff.reset();
        this.#isTokenFresh = false;
        // Its revision is the store's, not this watch's.
        return undefined;
      }
      return this.#deliver(response, source.assembler);
    } catch (error) {
      this.#closeSource();
      if (error instanceof StoreError) this.fail(error);
      else if (error instanceof CallError) await this.#recover(error, source.stream);
      else throw error;
      return undefined;
    }
  }

  #deliver(response: WatchResponse, assembler: ChangeAssembler): WatchBatch {
    using _ = observed(this.#dependencies.observe, 'watch');
    const { revision, changes } = assembler.add(response);
    this.#afterRevision = Math.max(this.#afterRevision, revision);
    this.#dependencies.onRevision(this.#afterRevision);
    return { revision: this.#afterRevision, changes: changes.filter(this.#isWanted) };
  }

  readonly #isWanted = (change: WatchBatch['changes'][number]): boolean =>
    this.#prefixes.some((prefix) => keyOf(change).startsWith(prefix));

  #openSource(): { readonly stream: WatchStream; readonly assembler: ChangeAssembler } {
    const { cluster, keys } = this.#dependencies;
    const afterRevision = this.#afterRevision;
    const range = keys.rangeOf(commonPrefix(this.#prefixes));
    const stream = new WatchStream(cluster.endpoint, range, {
      afterRevision,
      token: cluster.token,
    });
    this.#source = { stream, assembler: new ChangeAssembler(afterRevision, keys) };
    return this.#source;
  }

  #closeSource(): void {
    this.#source?.stream[Symbol.dispose]();
    this.#source = undefined;
  }

  #cancellation(response: WatchResponse, stream: WatchStream): StoreError | CallError {
    const compactedRevision = Number(response.compactRevision);
    if (compactedRevision === 0) return stream.canceled(response.cancelReason);
    const afterRevision = this.#afterRevision;
    return new StoreError(
      `the history after revision ${afterRevision} is gone: it has been compacted up to ${compactedRevision}`,
      { code: 'compacted', fields: { afterRevision, compactedRevision } },
    );
  }

  /** Goes on with another member, or with another token; fails when neither will help. */
  async #recover(error: CallError, { endpoint, token }: WatchedMember): Promise<void> {
    const { cluster, log } = this.#dependencies;
    if (this.#stop.signal.aborted) return;
    log.debug({ error }, 'a watch goes on with another member of etcd');
    if (isAccessRefusal(error)) {
      if (!(await this.#renewToken(token, endpoint)))
        this.fail(refusal('watch', cluster.url, error));
      return;
    }
    cluster.moveOnFrom(endpoint);
    await systemClock.sleep(this.#backoff.nextDelayMs(), this.#stop.signal).catch(() => undefined);
  }

  async #renewToken(
    stale: string | undefined,
    endpoint: WatchStream['endpoint'],
  ): Promise<boolean> {
    if (this.#isTokenFresh) return false;
    this.#isTokenFresh = true;
    try {
      return await this.#dependencies.cluster.renewToken(stale, endpoint);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (error.verdict === 'refused') return false;
      this.#isTokenFresh = false;
      await this.#recover(error, { endpoint, token: stale });
      return true;
    }
  }
}
