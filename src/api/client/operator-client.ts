import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { MasterName, SubsetName } from '../../model/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { type DirectoryView, getDirectory } from '../directory-endpoints.ts';
import type { EndpointDefinition, ReplyOf } from '../endpoint-definition.ts';
import { ApiError, ClientError } from './client-error.ts';
import { credentialsRefused } from './connection-failure.ts';
import { exchange, interrupted, readBody } from './http-exchange.ts';
import { readLines } from './json-lines.ts';
import { MasterConnector } from './master-connector.ts';
import { findMaster, MasterSearch, type Miss, mastersOf } from './master-search.ts';
import { isTurnedAway, type MasterSocket } from './master-socket.ts';
import type { ApiCredentials, KnownMaster } from './operator-profile.ts';
import { type CallInput, encodeRequest, type WireRequest } from './request-target.ts';

/** A refusal follows the handshake at once; this is the other side of the world and back, twice. */
const refusalTimeMs = 1_000;
/** Between two rounds of a search: short beside the lease of 3 s that it may have to outwait. */
const searchPauseMs = 250;

export interface OperatorClientOptions {
  readonly profile: ApiCredentials;
  /** For a connection to be made, TLS included. 3 s unless said. */
  readonly connectTimeoutMs?: number;
  /** For one whole answer; a stream may be silent for as long as it likes. 30 s unless said. */
  readonly replyTimeoutMs?: number;
  /** How long the masters of a subset are asked again while none of them acts. 6 s unless said. */
  readonly searchTimeoutMs?: number;
}

export interface CallOptions {
  /** Ask this one and no other. Unless said, whoever the endpoint says is responsible. */
  readonly master?: MasterName;
  readonly signal?: AbortSignal;
}

/** An operator's calls to the masters of one VPN. Holds no connection between calls. */
export interface OperatorClient {
  /**
   * Asks for one document.
   * @throws InvalidInputError before anything is sent; ApiError when the master says no; ClientError
   */
  call<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    options?: CallOptions,
  ): Promise<ReplyOf<E>>;

  /**
   * Asks for a stream of documents, which ends when the master ends it, or is ended by leaving the
   * loop or by the signal. @throws as `call`, from the loop
   */
  stream<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    options?: CallOptions,
  ): AsyncGenerator<ReplyOf<E>, void>;

  /** The directory, asked for once and then kept, until masters turn out to have changed places. */
  directory(signal?: AbortSignal): Promise<DirectoryView>;

  /** The directory when some call has needed it; undefined before. */
  readonly knownDirectory: DirectoryView | undefined;
}

/**
 * A request goes to the first master of the profile that can be reached, and when another one is
 * responsible, through it to that one: an operator needs to reach only one master, and none but the
 * responsible one can read or forge the request.
 *
 * What only the acting master can do is asked of the subset's masters in turn, and again, until one
 * acts: after a failover nobody has to say who. A request that may have been carried out is never
 * sent a second time, unless it only reads.
 */
export function createOperatorClient(options: OperatorClientOptions): OperatorClient {
  return new ConnectingOperatorClient(options);
}

class ConnectingOperatorClient implements OperatorClient {
  readonly #profile: ApiCredentials;
  readonly #replyTimeoutMs: number;
  readonly #searchTimeoutMs: number;
  readonly #connector: MasterConnector;
  #directory: DirectoryView | undefined;

  constructor(options: OperatorClientOptions) {
    this.#profile = options.profile;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? 30_000;
    this.#searchTimeoutMs = options.searchTimeoutMs ?? 6_000;
    const { profile, connectTimeoutMs = 3_000 } = options;
    this.#connector = new MasterConnector({ profile, connectTimeoutMs });
  }

  async call<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    options: CallOptions = {},
  ): Promise<ReplyOf<E>> {
    using deadline = new Deadline(this.#replyTimeoutMs, options.signal);
    const { signal } = deadline;
    try {
      const { connection, response } = await this.#begin(endpoint, input, { ...options, signal });
      const text = await readBody(response, connection);
      return parseReply(endpoint, text === '' ? '{}' : text, connection.master);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw signal.aborted ? noAnswerInTime(endpoint, this.#replyTimeoutMs, error) : error;
    }
  }

  async *stream<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    options: CallOptions = {},
  ): AsyncGenerator<ReplyOf<E>, void> {
    const { connection, response } = await this.#begin(endpoint, input, options);
    try {
      for await (const line of readLines(response)) {
        yield parseReply(endpoint, line, connection.master);
      }
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw error instanceof ClientError ? error : interrupted(error, connection.master.name);
    } finally {
      connection.socket.destroy();
    }
  }

  get knownDirectory(): DirectoryView | undefined {
    return this.#directory;
  }

  async directory(signal?: AbortSignal): Promise<DirectoryView> {
    return (
      this.#directory ?? this.#keep(await this.call(getDirectory, {}, signal ? { signal } : {}))
    );
  }

  async #begin<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    { master, signal = new AbortController().signal }: CallOptions,
  ): Promise<Begun> {
    const request = encodeRequest(endpoint, input);
    const { params } = input as { readonly params?: AskedFor };
    const named = master ?? (endpoint.responsible === 'named' ? params?.master : undefined);
    if (named !== undefined) return this.#ask(request, await this.#locate(named, signal), signal);
    if (endpoint.responsible === 'any') return this.#ask(request, undefined, signal);
    return this.#search(request, params?.subset, signal);
  }

  async #ask(
    request: WireRequest,
    target: KnownMaster | undefined,
    signal: AbortSignal,
  ): Promise<Begun> {
    const connection = await this.#connect(target, signal);
    try {
      return { connection, response: await exchange(connection, request, signal) };
    } catch (error) {
      connection.socket.destroy();
      throw await this.#explain(error, signal);
    }
  }

  /** A master that the entry does not reach may be reached by another one, or from here. */
  async #connect(target: KnownMaster | undefined, signal: AbortSignal): Promise<MasterSocket> {
    try {
      return await this.#connector.connect(target, signal);
    } catch (error) {
      if (signal.aborted || target === undefined || !isOnlyAway(error)) throw error;
      this.#connector.leaveEntry();
      return await this.#connector.connect(target, signal);
    }
  }

  /** Asks the masters of a subset in turn, for as long as they may be changing places. */
  async #search(
    request: WireRequest,
    subset: SubsetName | undefined,
    signal: AbortSignal,
  ): Promise<Begun> {
    const search = new MasterSearch(subset);
    const endsAtMs = systemClock.monotonicMs() + this.#searchTimeoutMs;
    let directory = await this.directory(signal);
    for (let round = 1; ; round += 1) {
      const connections = this.#connector.connectEach(search.candidates(directory), signal);
      for await (const { item: master, result } of connections) {
        const outcome = await this.#try(request, result, signal);
        if ('connection' in outcome) return outcome;
        search.add(master, outcome);
      }
      // The first entry may be the one that is cut off, so two are heard, however long that takes.
      const isOver = round > 1 && systemClock.monotonicMs() >= endsAtMs;
      if (isOver || !search.mayPass) throw search.failure();
      this.#connector.leaveEntry();
      await systemClock.sleep(searchPauseMs, signal);
      directory = await this.#readDirectoryAgain(directory, signal);
    }
  }

  /** One request to one master; what was not done, and is safe to ask of another, is a result. */
  async #try(
    request: WireRequest,
    connected: PromiseSettledResult<MasterSocket>,
    signal: AbortSignal,
  ): Promise<Begun | Miss> {
    if (connected.status === 'rejected') {
      const { reason } = connected;
      if (signal.aborted || !isOnlyAway(reason)) throw reason;
      return { error: reason, passes: true };
    }
    const connection = connected.value;
    try {
      return { connection, response: await exchange(connection, request, signal) };
    } catch (cause) {
      connection.socket.destroy();
      const error = await this.#explain(cause, signal);
      if (error instanceof ClientError && error.code === 'unreachable')
        return { error, passes: true };
      const isRead = request.method === 'GET';
      if (error instanceof ApiError && error.code === 'not-acting') return { error, passes: true };
      if (error instanceof ApiError && isRead && error.retryable) return { error, passes: false };
      const brokeOff = error instanceof ClientError && error.code === 'interrupted';
      if (brokeOff && isRead && !signal.aborted) return { error, passes: true };
      throw error;
    }
  }

  /** Tells a master that died from one that refuses us: all of them know operators by one root. */
  async #explain(error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof ClientError && error.code === 'interrupted')) return error;
    const entry = await this.#connector.connect(undefined, signal).catch(() => undefined);
    if (!entry || !(await isTurnedAway(entry, refusalTimeMs))) return error;
    return credentialsRefused(entry.master, error);
  }

  /** Where a master is that has to be asked itself. */
  async #locate(name: MasterName, signal: AbortSignal): Promise<KnownMaster> {
    // Only operators may read the directory; a master that calls another has nothing but its profile.
    const known = this.#profile.masters.find((master) => master.name === name);
    return known && !this.#directory ? known : findMaster(await this.directory(signal), name);
  }

  /** What is known stays when nobody can tell more. */
  async #readDirectoryAgain(known: DirectoryView, signal: AbortSignal): Promise<DirectoryView> {
    try {
      return this.#keep(await this.call(getDirectory, {}, { signal }));
    } catch (error) {
      if (signal.aborted || !isOnlyAway(error)) throw error;
      return known;
    }
  }

  #keep(directory: DirectoryView): DirectoryView {
    this.#directory = directory;
    this.#connector.learn(mastersOf(directory));
    return directory;
  }
}

/** What of a path's parameters says who is to answer; they have been checked by then. */
interface AskedFor {
  readonly master?: MasterName;
  readonly subset?: SubsetName;
}

/** A request that was sent, and the head of its answer. */
interface Begun {
  readonly connection: MasterSocket;
  readonly response: IncomingMessage;
}

/** Whether an error says no more than that one master cannot be asked now. */
function isOnlyAway(error: unknown): error is ApiError | ClientError {
  if (error instanceof ApiError) return error.retryable;
  return error instanceof ClientError && (error.retryable || error.code === 'untrusted-master');
}

function noAnswerInTime(
  endpoint: EndpointDefinition,
  timeoutMs: number,
  cause: unknown,
): ClientError {
  return new ClientError(
    `no answer to ${endpoint.method} ${endpoint.path} within ${timeoutMs / 1_000} s: whether it was done is not known`,
    { code: 'interrupted', retryable: true, cause },
  );
}

function parseReply<E extends EndpointDefinition>(
  endpoint: E,
  text: string,
  master: KnownMaster,
): ReplyOf<E> {
  const fields = { master: master.name, endpoint: `${endpoint.method} ${endpoint.path}` };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badReply('it is not JSON', fields, cause);
  }
  const result = endpoint.response.safeParse(json);
  if (result.success) return result.data as ReplyOf<E>;
  throw badReply(z.prettifyError(result.error), fields);
}

function badReply(
  reason: string,
  fields: { readonly master: string; readonly endpoint: string },
  cause?: unknown,
): ClientError {
  return new ClientError(
    `master ${fields.master} answered ${fields.endpoint} with something else (is it another version?): ${reason}`,
    { code: 'bad-reply', fields, cause },
  );
}
