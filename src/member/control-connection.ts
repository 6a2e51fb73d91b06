import type { TLSSocket } from 'node:tls';
import { type RawData, WebSocket } from 'ws';
import {
  type MasterMessage,
  type MemberMessage,
  masterMessageSchema,
  maxMasterMessageBytes,
  sessionPath,
  sessionProtocol,
} from '../api/messages.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { ErrorFields } from '../model/error.ts';
import { runUntilAborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { heartbeatIntervalMs, silenceLimitMs } from './heartbeat.ts';
import { MemberError, type MemberErrorCode } from './member-error.ts';
import { upgradeToWebSocket } from './websocket-upgrade.ts';

/** A master that writes faster than its messages are handled has to wait, in its own memory. */
const longestQueue = 64;
/** What a WebSocket says of a connection that ended without a closing handshake (RFC 6455 §7.4.1). */
const abnormalClosure = 1006;

export interface ControlConnectionOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly onSent: (kind: MemberMessage['type']) => void;
  readonly onReceived: (kind: MasterMessage['type']) => void;
}

/**
 * A control session's transport: whole, schema-checked messages in order, over one WebSocket.
 *
 * It ends once, with one error: `session-lost` when the other end closes, fails or falls silent,
 * `bad-message` when it sends what is no message. What had come before is still received first.
 */
export class ControlConnection implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #socket: WebSocket;
  readonly #options: ControlConnectionOptions;
  readonly #stopped = new AbortController();
  #queue: MasterMessage[] = [];
  #end: MemberError | undefined;
  #wake: () => void = () => {};
  #pong: () => void = () => {};
  #lastHeardMs: number;
  #heardCount = 0;

  constructor(socket: WebSocket, options: ControlConnectionOptions) {
    this.endpoint = options.endpoint;
    this.#socket = socket;
    this.#options = options;
    this.#lastHeardMs = options.clock.monotonicMs();
    socket.on('message', (data, isBinary) => this.#accept(data, isBinary));
    socket.on('ping', () => this.#heard());
    socket.on('pong', () => {
      this.#heard();
      this.#pong();
    });
    socket.on('error', (error) => this.#fail(...describeSocketError(error)));
    socket.on('close', (code) => this.#closed(code));
    void runUntilAborted(
      (signal) => this.#keepAlive(signal),
      this.#stopped.signal,
      (error) => this.#fail('session-lost', 'the heartbeat failed', error),
    );
  }

  /** Queues the message. What is sent after the end is dropped; `receive` says that it ended. */
  send(message: MemberMessage): void {
    if (this.#end) return;
    this.#options.onSent(message.type);
    this.#socket.send(JSON.stringify(message));
  }

  /**
   * Waits for a message and returns it with all that have come behind it, oldest first.
   * Only one call may wait at a time.
   * @throws MemberError `session-lost`, `bad-message`
   */
  async receive(): Promise<readonly MasterMessage[]> {
    await this.#filled();
    return this.#take(this.#queue.length);
  }

  /** As `receive`, but leaves what has come behind the message for the next call. */
  async receiveOne(): Promise<MasterMessage> {
    await this.#filled();
    const [message] = this.#take(1);
    if (!message) throw new Error('the queue was filled and is empty');
    return message;
  }

  /** Resolves when the master has answered a ping: it has read all that was sent before. */
  answered(): Promise<void> {
    return new Promise((resolve) => {
      this.#pong = resolve;
      if (!this.#end) this.#socket.ping();
    });
  }

  /** Ends the session unless the master shows within the time that it is there. */
  async check(limitMs: number): Promise<void> {
    if (this.#end) return;
    const { clock } = this.#options;
    const before = this.#heardCount;
    this.#socket.ping();
    await clock.sleep(limitMs, this.#stopped.signal).catch(() => undefined);
    if (this.#heardCount > before) return;
    this.#fail('session-lost', `it did not answer within ${limitMs / 1_000} s`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
    this.#end ??= sessionEnded(this.endpoint, 'session-lost', 'it was closed from this side');
    this.#stop();
  }

  #accept(data: RawData, isBinary: boolean): void {
    if (this.#end) return;
    this.#heard();
    const message = isBinary ? undefined : parseMessage(data.toString());
    if (!message) {
      this.#fail('bad-message', 'it sent what is no message of this protocol');
      return;
    }
    this.#options.onReceived(message.type);
    this.#queue.push(message);
    if (this.#queue.length >= longestQueue) this.#socket.pause();
    this.#wake();
  }

  async #filled(): Promise<void> {
    while (this.#queue.length === 0) {
      if (this.#end) throw this.#end;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(count: number): MasterMessage[] {
    const messages = this.#queue.splice(0, count);
    this.#socket.resume();
    return messages;
  }

  #closed(code: number): void {
    const farewell = code === abnormalClosure ? {} : { closeCode: code };
    this.#fail('session-lost', `it was closed with code ${code}`, undefined, farewell);
  }

  #heard(): void {
    this.#heardCount += 1;
    this.#lastHeardMs = this.#options.clock.monotonicMs();
  }

  async #keepAlive(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      await clock.sleep(heartbeatIntervalMs, signal);
      const silentMs = clock.monotonicMs() - this.#lastHeardMs;
      if (silentMs >= silenceLimitMs) {
        this.#fail('session-lost', `it was silent for ${Math.round(silentMs / 1_000)} s`);
        return;
      }
      this.#socket.ping();
    }
  }

  /** The first call decides why the session ended. */
  #fail(code: MemberErrorCode, problem: string, cause?: unknown, fields: ErrorFields = {}): void {
    if (this.#end) return;
    this.#end = sessionEnded(this.endpoint, code, problem, { cause, fields });
    // What it still has to say does not count any more.
    this.#socket.terminate();
    this.#stop();
  }

  #stop(): void {
    this.#stopped.abort();
    this.#wake();
  }
}

/**
 * Makes a WebSocket of a TLS connection whose other end has been checked.
 * @throws MemberError `unreachable`; the TLS connection is closed then
 */
export async function upgradeToSession(
  socket: TLSSocket,
  options: ControlConnectionOptions,
  signal: AbortSignal,
): Promise<ControlConnection> {
  const { endpoint } = options;
  const target = {
    ...{ endpoint, path: sessionPath, protocol: sessionProtocol },
    maxPayload: maxMasterMessageBytes,
  };
  try {
    const onOpen = (webSocket: WebSocket) => new ControlConnection(webSocket, options);
    return await upgradeToWebSocket(socket, target, onOpen, signal);
  } catch (cause) {
    throw signal.aborted ? signal.reason : upgradeError(endpoint, cause);
  }
}

/** Undefined for what no master may say. */
function parseMessage(text: string): MasterMessage | undefined {
  try {
    return masterMessageSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: no different from JSON that is no message.
    return undefined;
  }
}

function describeSocketError(error: Error): [MemberErrorCode, string, Error] {
  // `ws` gives its own codes to frames that break RFC 6455 or are longer than `maxPayload`.
  const isProtocolError = 'code' in error && String(error.code).startsWith('WS_ERR_');
  return isProtocolError
    ? ['bad-message', 'it sent a frame that is malformed or too long', error]
    : ['session-lost', 'the connection broke', error];
}

function upgradeError(endpoint: Endpoint, cause: unknown): MemberError {
  // TLS 1.3 tells a client only after the handshake that its certificate is not wanted.
  const problem =
    'it answered TLS and opened no session; it may have refused this member’s certificate, or be no Hanse master';
  return sessionEnded(endpoint, 'unreachable', problem, { cause });
}

/** Why there is no session with the endpoint, or none any more. Trying again may help. */
export function sessionEnded(
  endpoint: Endpoint,
  code: MemberErrorCode,
  problem: string,
  { cause, fields }: { readonly cause?: unknown; readonly fields?: ErrorFields } = {},
): MemberError {
  const message = `no session with ${endpoint}: ${problem}`;
  return new MemberError(message, {
    code,
    fields: { endpoint, ...fields },
    retryable: true,
    cause,
  });
}

/** Whether a session broke without a word from the master, which may have died. */
export function isSilentLoss(error: unknown): boolean {
  if (!(error instanceof MemberError) || error.code !== 'session-lost') return false;
  return error.fields['closeCode'] === undefined;
}
