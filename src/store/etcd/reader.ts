import type { MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { Log } from '../../runtime/log.ts';
import type { Entry, RangeOptions, RangeResult } from '../store.ts';
import { StoreError } from '../store-error.ts';
import type { StoreOperation } from '../store-observer.ts';
import { CallError } from './call-error.ts';
import type { Cluster } from './cluster.ts';
import type { KeySpace } from './key-space.ts';
import {
  KV,
  RangeRequest_SortOrder,
  type RangeRequestSchema,
  type RangeResponse,
} from './proto/rpc_pb.ts';
import { entryFrom } from './records.ts';

/** So that no answer is too large to be given in time. */
const pageEntries = 1_000;
/** How long a read waits for a majority before it asks one member for what it knows. */
const majorityBudgetMs = 3_000;
/** The same, while there was no majority a moment ago: one try. */
const shortMajorityBudgetMs = 300;
const maxRangeAttempts = 5;
const anyMemberBudgetMs = 3_000;

type ReadMessage = MessageInitShape<typeof RangeRequestSchema>;

export interface ReaderDependencies {
  readonly cluster: Cluster;
  readonly keys: KeySpace;
  readonly log: Log;
}

/**
 * Reads. With a majority of the cluster in reach, a read is up to date; without, it is what one member
 * knows, but never older than what this reader has seen before.
 */
export class Reader {
  readonly #cluster: Cluster;
  readonly #keys: KeySpace;
  readonly #log: Log;
  #seenRevision = 0;
  #hasMajority = true;

  constructor({ cluster, keys, log }: ReaderDependencies) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#log = log;
  }

  /** Tells of a revision that somebody has been shown. */
  hasSeen(revision: number): void {
    this.#seenRevision = Math.max(this.#seenRevision, revision);
  }

  async get(key: string, stop: AbortSignal): Promise<Entry | undefined> {
    const answer = await this.#read('get', { key: this.#keys.toBytes(key) }, stop);
    const [found] = answer.kvs;
    return found && entryFrom(found, this.#keys);
  }

  async range(prefix: string, options: RangeOptions, stop: AbortSignal): Promise<RangeResult> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#rangeOnce(prefix, options, stop);
      } catch (error) {
        if (attempt === maxRangeAttempts) throw error;
        // The revision of the first page is gone before the last one, or not there yet elsewhere.
        if (!(error instanceof CallError) || error.failure.code !== status.OUT_OF_RANGE)
          throw error;
      }
    }
  }

  async #rangeOnce(prefix: string, options: RangeOptions, stop: AbortSignal): Promise<RangeResult> {
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const entries: Entry[] = [];
    let { after } = options;
    let revision = 0;
    for (;;) {
      const wanted = Math.min(limit - entries.length, pageEntries);
      const page = { ...options, ...(after === undefined ? {} : { after }), limit: wanted };
      const answer = await this.#read('range', this.#pageRequest(prefix, page, revision), stop);
      // The later pages are asked for as of the first one's.
      revision ||= revisionOf(answer);
      for (const found of answer.kvs) entries.push(entryFrom(found, this.#keys));
      after = entries.at(-1)?.key;
      if (!answer.more || answer.kvs.length === 0 || entries.length >= limit)
        return { entries, revision };
    }
  }

  #pageRequest(prefix: string, options: RangeOptions, revision: number): ReadMessage {
    return {
      ...this.#keys.rangeAfter(prefix, options),
      limit: BigInt(options.limit ?? pageEntries),
      revision: BigInt(revision),
      // etcd's own order is that of the keys, and costs nothing.
      sortOrder: options.reverse ? RangeRequest_SortOrder.DESCEND : RangeRequest_SortOrder.NONE,
    };
  }

  async #read(
    operation: StoreOperation,
    message: ReadMessage,
    stop: AbortSignal,
  ): Promise<RangeResponse> {
    const answer = await this.#readFromMajority(operation, message, stop).catch(
      (error: unknown) => {
        if (stop.aborted || !(error instanceof StoreError) || error.code !== 'unavailable')
          throw error;
        return this.#readFromAny(operation, message, stop);
      },
    );
    this.hasSeen(revisionOf(answer));
    return answer;
  }

  async #readFromMajority(
    operation: StoreOperation,
    message: ReadMessage,
    stop: AbortSignal,
  ): Promise<RangeResponse> {
    const budgetMs = this.#hasMajority ? majorityBudgetMs : shortMajorityBudgetMs;
    const request = { operation, method: KV.method.range, message, isRepeatable: true, budgetMs };
    const answer = await this.#cluster.request(request, stop);
    if (!this.#hasMajority) this.#log.info('reads of the store are up to date again');
    this.#hasMajority = true;
    return answer;
  }

  async #readFromAny(
    operation: StoreOperation,
    message: ReadMessage,
    stop: AbortSignal,
  ): Promise<RangeResponse> {
    const answer = await this.#cluster.request(
      {
        operation,
        method: KV.method.range,
        message: { ...message, serializable: true },
        isRepeatable: true,
        withoutLeader: true,
        budgetMs: anyMemberBudgetMs,
        objection: (found: RangeResponse) => this.#objectTo(found),
      },
      stop,
    );
    if (this.#hasMajority)
      this.#log.warn('no majority of the store is in reach: reads may be old, changes are refused');
    this.#hasMajority = false;
    return answer;
  }

  #objectTo(answer: RangeResponse): string | undefined {
    const revision = revisionOf(answer);
    if (revision >= this.#seenRevision) return undefined;
    return `it is at revision ${revision}, behind ${this.#seenRevision}, which has been read already`;
  }
}

function revisionOf(answer: RangeResponse): number {
  return Number(answer.header?.revision ?? 0n);
}
