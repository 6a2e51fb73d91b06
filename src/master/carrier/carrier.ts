import { createSocket, type Socket } from 'node:dgram';
import type { RawData, WebSocket } from 'ws';
import { maxCarriedBacklogBytes } from '../../api/carrier.ts';

/** WireGuard listens on all addresses of the machine. */
const loopback = '127.0.0.1';

/**
 * Passes packets between one member's WebSocket and this master's WireGuard, which takes the UDP
 * socket's own port for where the member is.
 */
export class Carrier implements Disposable {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #isConnected = false;
  #isAlive = true;

  /**
   * @param port of WireGuard, on this machine
   * @param address to send from, out of 127.0.0.0/8
   */
  constructor(webSocket: WebSocket, port: number, address: string) {
    this.#webSocket = webSocket;
    this.#socket = createSocket('udp4');
    webSocket.on('message', (data, isBinary) => this.#toWireguard(data, isBinary));
    webSocket.on('pong', () => {
      this.#isAlive = true;
    });
    webSocket.once('close', () => this.#socket.close());
    this.#socket.on('message', (packet) => this.#toMember(packet));
    // Such as when nobody listens there any more: the packet is lost, and the next may not be.
    this.#socket.on('error', () => undefined);
    this.#socket.bind(0, address, () => this.#socket.connect(port, loopback));
    this.#socket.once('connect', () => {
      this.#isConnected = true;
    });
  }

  /** Asks whether the other end is there. @returns false when it has not answered the last time */
  check(): boolean {
    if (!this.#isAlive) return false;
    this.#isAlive = false;
    this.#webSocket.ping();
    return true;
  }

  /** @param reason of at most 123 bytes, for the member's log */
  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  [Symbol.dispose](): void {
    this.#webSocket.terminate();
  }

  #toWireguard(data: RawData, isBinary: boolean): void {
    this.#isAlive = true;
    if (isBinary && this.#isConnected && Buffer.isBuffer(data)) this.#socket.send(data);
  }

  #toMember(packet: Buffer): void {
    const { readyState, OPEN, bufferedAmount } = this.#webSocket;
    if (readyState === OPEN && bufferedAmount < maxCarriedBacklogBytes) {
      this.#webSocket.send(packet);
    }
  }
}
