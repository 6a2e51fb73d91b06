import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { MasterName } from '../../model/names.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { EndpointDefinition, ReplyOf } from '../endpoint-definition.ts';
import { type DirectoryView, getDirectory } from '../endpoints.ts';
import { ClientError } from './client-error.ts';
import { credentialsRefused } from './connection-failure.ts';
import { exchange, interrupted, readBody } from './http-exchange.ts';
import { readLines } from './json-lines.ts';
import {
  connectDirectly,
  connectThrough,
  isTurnedAway,
  type MasterSocket,
} from './master-socket.ts';
import type { ApiCredentials, KnownMaster } from './operator-profile.ts';
import { type CallInput, encodeRequest, type WireRequest } from './request-target.ts';

/** A refusal follows the handshake at once; this is the other side of the world and back, twice. */
const refusalTimeMs = 1_000;

export interface OperatorClientOptions {
  readonly profile: ApiCredentials;
  /** For a connection to be made, TLS included. 3 s unless said. */
  readonly connectTimeoutMs?: number;
  /** For one whole answer; a stream may be silent for as long as it likes. 30 s unless said. */
  readonly replyTimeoutMs?: number;
}

export interface CallOptions {
  /** Ask this one. Unless said, the master that acts for `params.subset`, or any that answers. */
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

  /** The directory, asked for once and then kept for the life of the client. */
  directory(signal?: AbortSignal): Promise<DirectoryView>;

  /** The directory when some call has needed it; undefined before. */
  readonly knownDirectory: DirectoryView | undefined;
}

/**
 * A request goes to the first master of the profile that can be reached, and when another one is
 * responsible, through it to that one: an operator needs to reach only one master, and none but the
 * responsible one can read or forge the request.
 */
export function createOperatorClient(options: OperatorClientOptions): OperatorClient {
  return new ConnectingOperatorClient(options);
}

class ConnectingOperatorClient implements OperatorClient {
  readonly #profile: ApiCredentials;
  readonly #connectTimeoutMs: number;
  readonly #replyTimeoutMs: number;
  /** The master that answered last is tried first. */
  #entry: KnownMaster | undefined;
  #directory: DirectoryView | undefined;

  constructor(options: OperatorClientOptions) {
    this.#profile = options.profile;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 3_000;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? 30_000;
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
    this.#directory ??= await this.call(getDirectory, {}, signal ? { signal } : {});
    return this.#directory;
  }

  async #begin<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    options: CallOptions,
  ): Promise<{ readonly connection: MasterSocket; readonly response: IncomingMessage }> {
    const request = encodeRequest(endpoint, input);
    const target = await this.#responsible(endpoint, input, options);
    try {
      return await this.#send(request, target, options.signal);
    } catch (error) {
      throw await this.#explain(error, options.signal);
    }
  }

  async #send(
    request: WireRequest,
    target: KnownMaster | undefined,
    signal = new AbortController().signal,
  ): Promise<{ readonly connection: MasterSocket; readonly response: IncomingMessage }> {
    const connection = await this.#connect(target, signal);
    try {
      return { connection, response: await exchange(connection, request, signal) };
    } catch (error) {
      connection.socket.destroy();
      throw error;
    }
  }

  /** Tells a master that died from one that refuses us: all of them know operators by one root. */
  async #explain(error: unknown, signal?: AbortSignal): Promise<unknown> {
    if (!(error instanceof ClientError && error.code === 'interrupted')) return error;
    const entry = await this.#connect(undefined, signal).catch(() => undefined);
    if (!entry || !(await isTurnedAway(entry, refusalTimeMs))) return error;
    return credentialsRefused(entry.master, error);
  }

  /** The master that has to answer; undefined when any may. */
  async #responsible<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    { master, signal }: CallOptions,
  ): Promise<KnownMaster | undefined> {
    if (master === undefined && endpoint.responsible === 'any') return undefined;
    // Only operators may read the directory; a master that calls another has nothing but its profile.
    const known = this.#profile.masters.find(({ name }) => name === master);
    if (known && !this.#directory) return known;
    const directory = await this.directory(signal);
    return findMaster(directory, master ?? actingFor(directory, input));
  }

  async #connect(target: KnownMaster | undefined, signal?: AbortSignal): Promise<MasterSocket> {
    const options = {
      profile: this.#profile,
      timeoutMs: this.#connectTimeoutMs,
      ...(signal ? { signal } : {}),
    };
    const entry = await this.#connectEntry(options);
    if (target === undefined || target.name === entry.master.name) return entry;
    return connectThrough(entry, target, options);
  }

  /** Tries the masters in turn until one has proved its name. */
  async #connectEntry(options: Parameters<typeof connectDirectly>[1]): Promise<MasterSocket> {
    const failures: ClientError[] = [];
    for (const master of this.#candidates()) {
      try {
        const connection = await connectDirectly(master, options);
        this.#entry = master;
        return connection;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        failures.push(error);
      }
    }
    throw noEntry(this.#profile, failures);
  }

  #candidates(): readonly KnownMaster[] {
    const { masters } = this.#profile;
    const entry = this.#entry;
    return entry ? [entry, ...masters.filter(({ name }) => name !== entry.name)] : masters;
  }
}

function actingFor(directory: DirectoryView, input: object): MasterName {
  const { params } = input as { readonly params?: { readonly subset?: unknown } };
  const subset = directory.subsets.find(({ name }) => name === params?.subset);
  if (subset) return subset.acting;
  const known = directory.subsets.map(({ name }) => name).join(', ') || 'none yet';
  throw new ClientError(`there is no subset ${params?.subset}; the VPN has: ${known}`, {
    code: 'unknown-subset',
    fields: { name: String(params?.subset) },
  });
}

function findMaster(directory: DirectoryView, wanted: MasterName): KnownMaster {
  const master = directory.masters.find(({ name }) => name === wanted);
  if (master) return master as KnownMaster;
  const known = directory.masters.map(({ name }) => name).join(', ') || 'none yet';
  throw new ClientError(`there is no master ${wanted}; the VPN has: ${known}`, {
    code: 'unknown-master',
    fields: { name: wanted },
  });
}

/** One failure is told as it is; several as the first one's kind, with all of them listed. */
function noEntry(profile: ApiCredentials, failures: readonly ClientError[]): ClientError {
  const [first] = failures;
  if (!first) {
    return new ClientError(
      `no master of ${profile.vpn} is known here yet: create one with \`hanse master create\``,
      { code: 'no-masters' },
    );
  }
  if (failures.length === 1) return first;
  const list = failures.map(({ message }) => `\n  ${message}`).join('');
  const outage = failures.find(({ code }) => code === 'unreachable') ?? first;
  return new ClientError(`no master of ${profile.vpn} can be reached:${list}`, {
    code: outage.code,
    retryable: outage.retryable,
    cause: new AggregateError(failures),
  });
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
