import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { RawData, WebSocket } from 'ws';
import {
  carrierPath,
  carrierProtocol,
  maxCarriedBacklogBytes,
  maxCarriedBytes,
} from '../../api/carrier.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import type { Clock } from '../../runtime/clock.ts';
import { heartbeatIntervalMs, silenceLimitMs } from '../heartbeat.ts';
import { upgradeToWebSocket } from '../websocket-upgrade.ts';

const loopback = '127.0.0.1';

/** A way for WireGuard's packets to one master. */
export interface OpenCarrier extends Disposable {
  /** What WireGuard is to take for the master: `address:port` on this machine. */
  readonly endpoint: string;
  readonly isOpen: boolean;
  /** Resolves when it is over, whoever has ended it. */
  readonly closed: Promise<void>;
  /** From now on what the master sends is kept back, as much as a backlog may be. */
  hold(): void;
  /** Passes on what was kept back, and what comes from now on. @returns whether there was anything */
  release(): boolean;
}

/**
 * Passes packets between WireGuard on this machine and a master, over a TLS connection whose other
 * end has been checked.
 * @throws the signal's reason; whatever `ws` says when the master does not take it
 */
export async function openCarrier(
  tls: TLSSocket,
  { endpoint, clock }: { readonly endpoint: Endpoint; readonly clock: Clock },
  signal: AbortSignal,
): Promise<OpenCarrier> {
  const target = {
    ...{ endpoint, path: carrierPath, protocol: carrierProtocol },
    maxPayload: maxCarriedBytes,
  };
  const socket = createSocket('udp4');
  try {
    socket.bind(0, loopback);
    await once(socket, 'listening', { signal });
    const onOpen = (webSocket: WebSocket) => new WebSocketCarrier(webSocket, socket, clock);
    return await upgradeToWebSocket(tls, target, onOpen, signal);
  } catch (error) {
    tls.destroy();
    socket.close();
    throw error;
  }
}

class WebSocketCarrier implements OpenCarrier {
  readonly endpoint: string;
  readonly closed: Promise<void>;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  /** Of WireGuard; known from its first packet on, and WireGuard speaks first. */
  #wireguardPort: number | undefined;
  /** Undefined while nothing is. */
  #keptBack: { readonly packets: Buffer[]; bytes: number } | undefined;
  #heardMs: number;

  constructor(webSocket: WebSocket, socket: Socket, clock: Clock) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#clock = clock;
    this.#heardMs = clock.monotonicMs();
    this.endpoint = `${loopback}:${socket.address().port}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('message', (packet, { port }) => this.#toMaster(packet, port));
    // Such as when WireGuard's port was closed a moment ago: the packet is lost.
    socket.on('error', () => undefined);
    webSocket.on('message', (data, isBinary) => this.#fromMaster(data, isBinary));
    webSocket.on('pong', () => this.#heard());
    webSocket.on('error', () => undefined);
    webSocket.once('close', () => {
      this.#over.abort();
      socket.close();
      resolve();
    });
    void this.#keepAlive(this.#over.signal).catch(() => undefined);
  }

  get isOpen(): boolean {
    return !this.#over.signal.aborted;
  }

  [Symbol.dispose](): void {
    this.#webSocket.terminate();
  }

  hold(): void {
    this.#keptBack ??= { packets: [], bytes: 0 };
  }

  release(): boolean {
    const kept = this.#keptBack?.packets ?? [];
    this.#keptBack = undefined;
    for (const packet of kept) this.#toWireguard(packet);
    return kept.length > 0;
  }

  #toMaster(packet: Buffer, port: number): void {
    this.#wireguardPort = port;
    const { readyState, OPEN, bufferedAmount } = this.#webSocket;
    if (readyState === OPEN && bufferedAmount < maxCarriedBacklogBytes) {
      this.#webSocket.send(packet);
    }
  }

  #fromMaster(data: RawData, isBinary: boolean): void {
    this.#heard();
    if (isBinary && Buffer.isBuffer(data)) this.#toWireguard(data);
  }

  #toWireguard(packet: Buffer): void {
    const kept = this.#keptBack;
    if (kept) {
      if (kept.bytes + packet.length > maxCarriedBacklogBytes) return;
      kept.packets.push(packet);
      kept.bytes += packet.length;
    } else if (this.isOpen && this.#wireguardPort !== undefined) {
      this.#socket.send(packet, this.#wireguardPort, loopback);
    }
  }

  #heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }

  /** Also for proxies and NATs that forget connections which say nothing. */
  async #keepAlive(signal: AbortSignal): Promise<void> {
    while (this.#clock.monotonicMs() - this.#heardMs < silenceLimitMs) {
      this.#webSocket.ping();
      await this.#clock.sleep(heartbeatIntervalMs, signal);
    }
    this.#webSocket.terminate();
  }
}
