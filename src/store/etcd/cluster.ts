import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Backoff } from '../../runtime/backoff.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { StoreOperation } from '../store-observer.ts';
import { AccessToken, type UserCredentials } from './access-token.ts';
import { CallError } from './call-error.ts';
import { Endpoint } from './endpoint.ts';
import { Failures, isAccessRefusal, outcomeUnknown, outOfReach, refusal } from './etcd-failure.ts';
import type { CredentialsFor } from './etcd-files.ts';
import type { Method } from './rpc.ts';

/** etcd's own time-out is 7 s, far longer than it takes to choose another leader. */
const tryTimeoutMs = 1_000;
/** Longer than a cluster with etcd's default settings is without a leader. */
const defaultBudgetMs = 5_000;

export interface ClusterOptions {
  /** `host:port` of each member. */
  readonly addresses: readonly string[];
  /** For messages. */
  readonly url: string;
}

export interface ClusterDependencies {
  readonly credentialsFor: CredentialsFor;
  readonly user: UserCredentials | undefined;
}

export interface Request<I extends DescMessage, O extends DescMessage> {
  readonly operation: StoreOperation;
  readonly method: Method<I, O>;
  readonly message: MessageInitShape<I>;
  /**
   * Whether doing it twice, or late, does no harm. Else it is repeated only when it has certainly
   * not been done.
   */
  readonly isRepeatable: boolean;
  /** For a read of what one member knows by itself. */
  readonly withoutLeader?: boolean;
  /** After this no other try is begun. */
  readonly budgetMs?: number;
  /** Of one try; shorter than usual for what has to reach another member in time. */
  readonly ownTryTimeoutMs?: number;
  /** Whether an answer is good enough; with the reason if not, and another member is asked. */
  readonly objection?: (answer: MessageShape<O>) => string | undefined;
}

/**
 * The members of one etcd cluster, of which one is asked at a time: the same one as long as it
 * answers, else the next. All waits are bounded.
 */
export class Cluster implements Disposable {
  readonly url: string;
  readonly #endpoints: readonly Endpoint[];
  readonly #token: AccessToken | undefined;
  #current: number;

  constructor({ addresses, url }: ClusterOptions, { credentialsFor, user }: ClusterDependencies) {
    this.url = url;
    this.#endpoints = addresses.map((address) => new Endpoint(address, credentialsFor));
    this.#token = user && new AccessToken(user);
    // So that not everybody asks the member that happens to be named first.
    this.#current = Math.floor(Math.random() * addresses.length);
  }

  get endpoint(): Endpoint {
    const endpoint = this.#endpoints[this.#current];
    if (!endpoint)
      throw new RangeError(`a cluster of ${this.#endpoints.length} has no member ${this.#current}`);
    return endpoint;
  }

  get token(): string | undefined {
    return this.#token?.value;
  }

  /** From the one that failed to the next, unless somebody has done so already. */
  moveOnFrom(endpoint: Endpoint): void {
    if (endpoint === this.endpoint) this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  /** @returns whether it makes sense to try again. @throws CallError */
  async renewToken(stale: string | undefined, endpoint: Endpoint): Promise<boolean> {
    if (!this.#token) return false;
    try {
      await this.#token.renew(stale, endpoint, tryTimeoutMs);
    } catch (error) {
      if (!(error instanceof CallError) || error.verdict !== 'unknown') throw error;
      // Whatever became of the token, what it was for has not been done.
      throw endpoint.objectTo(`no token: ${error.failure.details}`);
    }
    return this.#token.value !== stale;
  }

  /**
   * @throws StoreError `unavailable` or `denied`
   * @throws CallError when etcd refuses for what is in the request: the caller knows what it means
   * @throws the signal's reason when it is aborted
   */
  async request<I extends DescMessage, O extends DescMessage>(
    request: Request<I, O>,
    signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    const endMs = performance.now() + (request.budgetMs ?? defaultBudgetMs);
    const backoff = new Backoff({ minMs: 10, maxMs: 300 });
    const failures = new Failures();
    for (;;) {
      const endpoint = this.endpoint;
      try {
        return await this.#tryOnce(request, endpoint, signal);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        failures.add(error);
        if (error.verdict !== 'refused') this.moveOnFrom(endpoint);
        this.#checkRepeatable(request, error);
        if (performance.now() > endMs) throw outOfReach(request.operation, this.url, failures);
      }
      await systemClock.sleep(backoff.nextDelayMs(), signal);
    }
  }

  [Symbol.dispose](): void {
    for (const endpoint of this.#endpoints) endpoint[Symbol.dispose]();
  }

  async #tryOnce<I extends DescMessage, O extends DescMessage>(
    { method, message, withoutLeader, objection, ownTryTimeoutMs = tryTimeoutMs }: Request<I, O>,
    endpoint: Endpoint,
    signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    const ask = async (): Promise<MessageShape<O>> => {
      const { token } = this;
      const options = { timeoutMs: ownTryTimeoutMs, token, requireLeader: !withoutLeader };
      const answer = await endpoint.call(method, message, options, signal);
      const reason = objection?.(answer);
      if (reason !== undefined) throw endpoint.objectTo(reason);
      return answer;
    };
    const token = this.token;
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof CallError) || !wantsToken(error, token)) throw error;
      if (!(await this.renewToken(token, endpoint))) throw error;
      return await ask();
    }
  }

  /** @throws StoreError or CallError unless the request may be repeated after this */
  #checkRepeatable(
    { operation, isRepeatable }: { operation: StoreOperation; isRepeatable: boolean },
    error: CallError,
  ): void {
    const { verdict } = error;
    if (verdict === 'elsewhere' || (verdict === 'unknown' && isRepeatable)) return;
    if (verdict === 'unknown') throw outcomeUnknown(operation, this.url, error);
    if (isAccessRefusal(error) || error.says('database space exceeded')) {
      throw refusal(operation, this.url, error);
    }
    throw error;
  }
}

/** Who shows a client's certificate and no token is somebody else to etcd: the certificate's common name. */
function wantsToken(error: CallError, token: string | undefined): boolean {
  return error.verdict === 'token' || (token === undefined && isAccessRefusal(error));
}
