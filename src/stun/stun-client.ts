import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Clock } from '../runtime/clock.ts';
import { parseXorMappedAddress, type SocketAddress } from './mapped-address.ts';
import {
  attributeType,
  encodeStunMessage,
  magicCookie,
  parseStunMessage,
  type StunMessage,
} from './stun-message.ts';

/** An answered request. */
export interface Binding {
  readonly roundTripMs: number;
  /** This socket as the server sees it. */
  readonly seenAs: SocketAddress;
}

export interface StunClientDependencies {
  readonly clock: Clock;
}

interface Waiting {
  readonly transactionId: Buffer;
  readonly sentMs: number;
  readonly resolve: (binding: Binding | undefined) => void;
}

/**
 * Asks one server, one request at a time, and never sends a request twice: what is not answered is a
 * lost sample (RFC 8489 §6.2.1 has retransmissions for those who need an answer).
 */
export class StunClient implements Disposable {
  readonly #server: SocketAddress;
  readonly #clock: Clock;
  readonly #socket: Socket;
  #waiting: Waiting | undefined;

  private constructor(server: SocketAddress, clock: Clock, socket: Socket) {
    this.#server = server;
    this.#clock = clock;
    this.#socket = socket;
    socket.on('message', (packet, from) => this.#receive(packet, from));
    // A server that is not there: the request is lost.
    socket.on('error', () => this.#settle(undefined));
  }

  /** @param server numeric @throws system errors, named by Node, when there is no socket of the family */
  static async open(server: SocketAddress, { clock }: StunClientDependencies): Promise<StunClient> {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    try {
      socket.bind(0);
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    return new StunClient(server, clock, socket);
  }

  /**
   * @param options.hopLimit how many links the request may cross, 1 to 255: IPv4's time to live,
   *   IPv6's hop limit. The machine's own default unless said
   * @returns undefined when nothing came back in time
   * @throws the signal's reason
   */
  async ask(
    options: { readonly timeoutMs: number; readonly hopLimit?: number },
    signal: AbortSignal,
  ): Promise<Binding | undefined> {
    signal.throwIfAborted();
    if (options.hopLimit !== undefined) this.#socket.setTTL(options.hopLimit);
    const transactionId = randomBytes(12);
    const request: StunMessage = {
      ...{ class: 'request', cookie: magicCookie, transactionId, attributes: [] },
    };
    const { promise, resolve } = Promise.withResolvers<Binding | undefined>();
    const over = new AbortController();
    const { address, port } = this.#server;
    const packet = encodeStunMessage(request);
    this.#waiting = { transactionId, sentMs: this.#clock.monotonicMs(), resolve };
    this.#socket.send(packet, port, address, (error) => {
      if (error) resolve(undefined);
    });
    const timeout = this.#clock.sleep(options.timeoutMs, AbortSignal.any([signal, over.signal]));
    try {
      return await Promise.race([promise, timeout.then(() => undefined)]);
    } finally {
      over.abort();
      timeout.catch(() => undefined);
      this.#waiting = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    const waiting = this.#waiting;
    const [address = ''] = from.address.split('%', 1);
    if (!waiting || address !== this.#server.address || from.port !== this.#server.port) return;
    const message = parseStunMessage(packet);
    if (message?.class !== 'success' || !message.transactionId.equals(waiting.transactionId))
      return;
    const attribute = message.attributes.find(
      ({ type }) => type === attributeType.xorMappedAddress,
    );
    const seenAs = attribute && parseXorMappedAddress(attribute.value, message);
    if (seenAs) this.#settle({ roundTripMs: this.#clock.monotonicMs() - waiting.sentMs, seenAs });
  }

  #settle(binding: Binding | undefined): void {
    this.#waiting?.resolve(binding);
  }
}
