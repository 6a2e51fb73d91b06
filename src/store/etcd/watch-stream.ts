import { create } from '@bufbuild/protobuf';
import { type ClientDuplexStream, type StatusObject, status } from '@grpc/grpc-js';
import { CallError } from './call-error.ts';
import type { Endpoint } from './endpoint.ts';
import type { KeyRange } from './key-space.ts';
import {
  Watch,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
} from './proto/rpc_pb.ts';

/** How long a member may take to say that it watches. */
const createTimeoutMs = 1_000;

/**
 * One watch on one member, for as long as that goes well. Whoever does not read stops the member from
 * sending, so that memory is bounded: some responses of at most 1.5 MB.
 */
export class WatchStream implements Disposable {
  readonly endpoint: Endpoint;
  /** With which it was asked for. */
  readonly token: string | undefined;
  readonly #call: ClientDuplexStream<WatchRequest, WatchResponse>;
  readonly #createTimer: NodeJS.Timeout;
  readonly #suspected: AbortSignal;
  #isCreated = false;
  #failure: CallError | undefined;
  /** Present while a `next` waits. */
  #wake: (() => void) | undefined;

  constructor(
    endpoint: Endpoint,
    range: KeyRange,
    {
      afterRevision,
      token,
    }: { readonly afterRevision: number; readonly token: string | undefined },
  ) {
    this.endpoint = endpoint;
    this.token = token;
    this.#call = endpoint.stream(Watch.method.watch, { token, requireLeader: true });
    this.#call.on('readable', this.#wakeUp);
    this.#call.on('error', () => undefined); // The same as the status.
    this.#call.on('status', this.#end);
    this.#createTimer = setTimeout(() => {
      this.#fail(status.DEADLINE_EXCEEDED, 'it does not watch');
      endpoint.suspect();
    }, createTimeoutMs);
    this.#suspected = endpoint.suspected;
    this.#suspected.addEventListener('abort', this.#onSuspected);
    this.#call.write(createRequest(range, afterRevision));
  }

  /** @throws CallError when the stream has ended, in whatever way; not before all has been read */
  async next(): Promise<WatchResponse> {
    for (;;) {
      const response: WatchResponse | null = this.#call.read();
      if (response) return this.#received(response);
      if (this.#failure) throw this.#failure;
      await this.#woken();
    }
  }

  /** What it means that the member has given the watch up. */
  canceled(details: string): CallError {
    const { address } = this.endpoint;
    return new CallError({ code: status.UNAVAILABLE, details, address, isSent: true });
  }

  [Symbol.dispose](): void {
    this.#fail(status.CANCELLED, 'the watch has ended');
    this.#call.cancel();
  }

  #received(response: WatchResponse): WatchResponse {
    if (response.created && !response.canceled) this.#isCreated = true;
    clearTimeout(this.#createTimer);
    return response;
  }

  readonly #onSuspected = (): void => this.#fail(status.UNAVAILABLE, 'it does not answer others');

  readonly #end = ({ code, details }: StatusObject): void => this.#fail(code, details);

  #fail(code: status, details: string): void {
    clearTimeout(this.#createTimer);
    this.#suspected.removeEventListener('abort', this.#onSuspected);
    const { address } = this.endpoint;
    this.#failure ??= new CallError({ code, details, address, isSent: this.#isCreated });
    this.#wakeUp();
  }

  readonly #wakeUp = (): void => {
    this.#wake?.();
    this.#wake = undefined;
  };

  #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }
}

function createRequest({ key, rangeEnd }: KeyRange, afterRevision: number): WatchRequest {
  return create(WatchRequestSchema, {
    requestUnion: {
      case: 'createRequest',
      value: {
        key,
        rangeEnd,
        // One earlier than needed. etcd refuses what begins before its last compaction, and says
        // nothing of a deletion that is lost at just the revision of it.
        startRevision: BigInt(Math.max(afterRevision, 1)),
        progressNotify: true,
        fragment: true,
      },
    },
  });
}
