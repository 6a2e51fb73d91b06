import { isIP } from 'node:net';
import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { CallError } from './call-error.ts';
import type { CredentialsFor } from './etcd-files.ts';
import { deserializerOf, type Method, pathOf, serializerOf } from './rpc.ts';

const channelOptions: ClientOptions = {
  // A member that was away shall not be left alone for the two minutes that gRPC would.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // What may be tried again is for `cluster.ts` to say.
  'grpc.enable_retries': 0,
  // etcd ends connections that are probed more often than every 5 s.
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // A range in pages of many large values; etcd itself limits a single one.
  'grpc.max_receive_message_length': -1,
  // Else the channels of two stores would share a connection, and close each other's.
  'grpc.use_local_subchannel_pool': 1,
  // Proxies of the environment are for the web.
  'grpc.enable_http_proxy': 0,
};

export interface CallOptions {
  readonly timeoutMs: number;
  readonly token: string | undefined;
  /**
   * Asks the member to refuse when it knows of no leader, instead of waiting for one; a member cut
   * off from the others then answers at once, and ends its watches.
   */
  readonly requireLeader: boolean;
}

/** One member of the cluster, as we reach it. */
export class Endpoint implements Disposable {
  /** `host:port`. */
  readonly address: string;
  readonly #client: Client;
  readonly #target: string;
  #suspected = new AbortController();

  constructor(address: string, credentialsFor: CredentialsFor) {
    const host = hostOf(address);
    this.address = address;
    this.#client = new Client(targetOf(address), credentialsFor(host), {
      ...channelOptions,
      // RFC 6066 has no addresses in the name that TLS announces. What is checked is the address.
      ...(isIP(host) ? { 'grpc.ssl_target_name_override': 'etcd' } : {}),
    });
    this.#target = this.#client.getChannel().getTarget();
  }

  /** Aborted when the member next fails to answer: whoever waits for it should look elsewhere. */
  get suspected(): AbortSignal {
    return this.#suspected.signal;
  }

  suspect(): void {
    this.#suspected.abort();
    this.#suspected = new AbortController();
  }

  /**
   * One request, one answer. Good for methods with streams too: on the wire, a stream of one message
   * each way is the same.
   * @throws CallError; the signal's reason when it is aborted
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
    signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    if (signal?.aborted) return Promise.reject(signal.reason);
    const call = this.#client.makeUnaryRequest(
      pathOf(method),
      serializerOf(method.input),
      deserializerOf(method.output),
      create(method.input, request),
      metadataOf(options),
      { deadline: Date.now() + options.timeoutMs },
      (error, response) => {
        signal?.removeEventListener('abort', abort);
        if (signal?.aborted) reject(signal.reason);
        else if (error) reject(this.#errorFrom(error, call.getPeer()));
        else resolve(response as MessageShape<O>);
      },
    );
    const abort = (): void => call.cancel();
    signal?.addEventListener('abort', abort, { once: true });
    return promise;
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    options: Omit<CallOptions, 'timeoutMs'>,
  ): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
    return this.#client.makeBidiStreamRequest(
      pathOf(method),
      serializerOf(method.input),
      deserializerOf(method.output),
      metadataOf(options),
    );
  }

  /** For an answer that will not do: another member may have a better one. */
  objectTo(reason: string): CallError {
    const { address } = this;
    return new CallError({ code: status.OK, details: reason, address, isSent: false });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #errorFrom({ code, details }: ServiceError, peer: string): CallError {
    // A call has a peer once it has been given a connection.
    const isSent = peer !== this.#target;
    const error = new CallError({ code, details, address: this.address, isSent });
    if (code === status.DEADLINE_EXCEEDED) this.suspect();
    return error;
  }
}

function targetOf(address: string): string {
  const version = isIP(hostOf(address));
  return version === 0 ? `dns:${address}` : `ipv${version}:${address}`;
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function metadataOf({ token, requireLeader }: Omit<CallOptions, 'timeoutMs'>): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('token', token);
  if (requireLeader) metadata.set('hasleader', 'true');
  return metadata;
}
