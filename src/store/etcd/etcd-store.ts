import { status } from '@grpc/grpc-js';
import { InvalidInputError } from '../../model/error.ts';
import { Deadline } from '../../runtime/deadline.ts';
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
import { CallError } from './call-error.ts';
import { Cluster } from './cluster.ts';
import { closedError, overloaded } from './etcd-failure.ts';
import { loadChannelCredentials, loadUser } from './etcd-files.ts';
import { parseEtcdUrl } from './etcd-url.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { Gate } from './gate.ts';
import { KeySpace } from './key-space.ts';
import { formatLeaseId, leaseEnded, parseLeaseId } from './lease-id.ts';
import { KV, Lease } from './proto/rpc_pb.ts';
import { Reader } from './reader.ts';
import { leasesOf, resultFrom, txnRequestFrom } from './transaction.ts';

/** More at once makes each one later, and none of them sooner. */
const maxRequestsAtOnce = 128;
/** How long a request waits for its turn: by then the ones before it have failed or been done. */
const maxWaitMs = 10_000;
/** Who holds a lease gives each attempt a second, in which a second member is to be asked when the first is silent. */
const keepAliveTryMs = 600;

export interface EtcdStoreDependencies {
  readonly log?: Log;
  readonly observe?: ObserveStore;
}

/**
 * Opens the store in an etcd cluster, and finds out whether it can be read.
 * @throws InvalidInputError when the URL or a file that it names is wrong
 * @throws StoreError `unavailable` when no member can be reached, `denied` when they do not let us;
 *   within some seconds
 */
export async function openEtcdStore(
  options: { readonly url: string },
  dependencies: EtcdStoreDependencies = {},
): Promise<Store> {
  const { addresses, keyPrefix, tls, user } = parseEtcdUrl(options.url);
  await using opened = new AsyncDisposableStack();
  const cluster = opened.use(
    new Cluster(
      { addresses, url: options.url },
      { credentialsFor: loadChannelCredentials(tls), user: loadUser(user) },
    ),
  );
  const store = opened.use(new EtcdStore(cluster, new KeySpace(keyPrefix), dependencies));
  await store.range('', { limit: 1 });
  opened.move();
  return store;
}

class EtcdStore implements Store {
  readonly #cluster: Cluster;
  readonly #keys: KeySpace;
  readonly #reader: Reader;
  readonly #log: Log;
  readonly #observe: ObserveStore | undefined;
  readonly #gate = new Gate(maxRequestsAtOnce);
  readonly #watches = new Set<EtcdWatch>();
  readonly #closing = new AbortController();

  constructor(cluster: Cluster, keys: KeySpace, { log, observe }: EtcdStoreDependencies) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#log = log ?? silentLog();
    this.#observe = observe;
    this.#reader = new Reader({ cluster, keys, log: this.#log });
  }

  async get(key: string, signal?: AbortSignal): Promise<Entry | undefined> {
    checkKey(key);
    return this.#do('get', (stop) => this.#reader.get(key, stop), signal);
  }

  async range(
    prefix: string,
    options: RangeOptions = {},
    signal?: AbortSignal,
  ): Promise<RangeResult> {
    checkRange(prefix, options);
    return this.#do('range', (stop) => this.#reader.range(prefix, options, stop), signal);
  }

  async transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult> {
    checkTransaction(transaction);
    return this.#do('transact', (stop) => this.#transact(transaction, stop), signal);
  }

  watch(options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchBatch> {
    checkWatch(options);
    if (this.#closing.signal.aborted) throw closedError();
    const watch = new EtcdWatch(options, signal, {
      cluster: this.#cluster,
      keys: this.#keys,
      log: this.#log,
      observe: this.#observe,
      onRevision: (revision) => this.#reader.hasSeen(revision),
      onEnd: () => this.#watches.delete(watch),
    });
    if (!signal.aborted) this.#watches.add(watch);
    return watch;
  }

  async grantLease(ttlMs: number, signal?: AbortSignal): Promise<LeaseId> {
    checkLeaseTtl(ttlMs);
    const message = { TTL: BigInt(Math.ceil(ttlMs / 1_000)) };
    const grant = async (stop: AbortSignal) => {
      // One that was granted without our learning of it ends by itself.
      const request = { operation: 'lease', method: Lease.method.leaseGrant, message } as const;
      const { ID } = await this.#cluster.request({ ...request, isRepeatable: true }, stop);
      return formatLeaseId(ID);
    };
    return this.#do('lease', grant, signal);
  }

  async keepLeaseAlive(lease: LeaseId, signal?: AbortSignal): Promise<void> {
    const keep = async (stop: AbortSignal) => {
      const message = { ID: parseLeaseId(lease) };
      const request = { operation: 'lease', method: Lease.method.leaseKeepAlive, message } as const;
      const { TTL } = await this.#cluster.request(
        { ...request, isRepeatable: true, ownTryTimeoutMs: keepAliveTryMs },
        stop,
      );
      if (TTL <= 0n) throw leaseEnded([lease]);
    };
    return this.#do('lease', keep, signal);
  }

  async revokeLease(lease: LeaseId, signal?: AbortSignal): Promise<void> {
    return this.#do('lease', (stop) => this.#revoke(lease, stop), signal);
  }

  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    checkRevision(revision);
    return this.#do('compact', (stop) => this.#compact(revision, stop), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(closedError());
    for (const watch of [...this.#watches]) watch.fail(closedError());
    this.#cluster[Symbol.dispose]();
  }

  async #transact(transaction: Transaction, stop: AbortSignal): Promise<TransactionResult> {
    const message = txnRequestFrom(transaction, this.#keys);
    const request = { operation: 'transact', method: KV.method.txn, message } as const;
    try {
      const answer = await this.#cluster.request({ ...request, isRepeatable: false }, stop);
      const result = resultFrom(answer, transaction, this.#keys);
      this.#reader.hasSeen(result.revision);
      return result;
    } catch (error) {
      if (isRefusal(error, status.NOT_FOUND)) throw leaseEnded(leasesOf(transaction), error);
      throw error;
    }
  }

  async #revoke(lease: LeaseId, stop: AbortSignal): Promise<void> {
    let id: bigint;
    try {
      id = parseLeaseId(lease);
    } catch {
      // It never was one of etcd's.
      return;
    }
    const request = { operation: 'lease', method: Lease.method.leaseRevoke } as const;
    try {
      await this.#cluster.request({ ...request, message: { ID: id }, isRepeatable: true }, stop);
    } catch (error) {
      if (!isRefusal(error, status.NOT_FOUND)) throw error;
    }
  }

  async #compact(revision: number, stop: AbortSignal): Promise<void> {
    // etcd's history begins after 1.
    if (revision === 0) return;
    const message = { revision: BigInt(revision) };
    const request = { operation: 'compact', method: KV.method.compact, message } as const;
    try {
      await this.#cluster.request({ ...request, isRepeatable: true }, stop);
    } catch (error) {
      if (!isRefusal(error, status.OUT_OF_RANGE)) throw error;
      if (error.says('has been compacted')) return;
      throw new InvalidInputError(`the revision ${revision} is yet to come`, {}, error);
    }
  }

  /** Whatever is under way when the store is closed fails. */
  async #do<T>(
    operation: StoreOperation,
    body: (stop: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    using _ = observed(this.#observe, operation);
    const closing = this.#closing.signal;
    const stop = signal ? AbortSignal.any([signal, closing]) : closing;
    stop.throwIfAborted();
    // A lease that is kept alive is never behind a crowd.
    using _place = operation === 'lease' ? undefined : await this.#enter(operation, stop);
    return await body(stop);
  }

  async #enter(operation: StoreOperation, stop: AbortSignal): Promise<Disposable> {
    using wait = new Deadline(maxWaitMs, stop);
    try {
      return await this.#gate.enter(wait.signal);
    } catch (error) {
      if (stop.aborted) throw stop.reason;
      throw overloaded(operation, this.#cluster.url, error);
    }
  }
}

function isRefusal(error: unknown, code: status): error is CallError {
  return error instanceof CallError && error.failure.code === code;
}
