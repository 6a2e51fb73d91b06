import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Address } from '../model/prefix.ts';
import type { Log } from '../runtime/log.ts';
import type { LinkAddresses } from './link-addresses.ts';
import { encodeProbe, type ProbeMessage, parseProbe } from './probe-message.ts';

/**
 * UDP, at every node, on link-local addresses of tunnels only. Not registered for anything with
 * IANA, and below the ports that Linux gives to sockets that do not ask for one.
 */
export const probePort = 7_820;

export interface ProbeSocketOptions {
  readonly interfaceName: string;
  /** The node's own link-local address on the interface. */
  readonly address: Address;
}

export interface ProbeSocketDependencies {
  readonly log: Log;
  readonly onMessage: (message: ProbeMessage, from: Address) => void;
}

/**
 * Sends and receives on one interface's link-local address, which nothing but the tunnel leads to.
 * Nothing that goes wrong is thrown: a socket that does not work is a path that does not answer.
 */
export class ProbeSocket {
  readonly #options: ProbeSocketOptions;
  readonly #dependencies: ProbeSocketDependencies;
  #socket: Socket | undefined;
  #isBound = false;
  /** Of the interface that the socket belongs to. */
  #index: number | undefined;
  /** What was wrong last, so that it is logged once. */
  #trouble = '';

  constructor(options: ProbeSocketOptions, dependencies: ProbeSocketDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Follows the interface: to be called again and again, with what the machine is like now. */
  follow(addresses: LinkAddresses): void {
    const { interfaceName, address } = this.#options;
    const index = addresses.indexOf(interfaceName, address);
    if (index === this.#index && (index === undefined || this.#socket)) return;
    this.close();
    if (index !== undefined) this.#open(index);
  }

  /** @returns whether there was a socket to send by */
  send(message: ProbeMessage, to: Address): boolean {
    if (!this.#socket || !this.#isBound) return false;
    const zoned = `${to}%${this.#options.interfaceName}`;
    this.#socket.send(encodeProbe(message), probePort, zoned, (error) => {
      if (error) this.#note(error);
    });
    return true;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#isBound = false;
    this.#index = undefined;
  }

  #open(index: number): void {
    const { interfaceName, address } = this.#options;
    const socket = createSocket({ type: 'udp6', ipv6Only: true });
    this.#socket = socket;
    this.#index = index;
    socket.on('error', (error) => {
      this.#note(error);
      // What was closed for another one says nothing any more.
      if (this.#socket === socket) this.close();
    });
    socket.on('listening', () => {
      if (this.#socket !== socket) return;
      this.#isBound = true;
      this.#trouble = '';
    });
    socket.on('message', (bytes, remote) => this.#receive(bytes, remote));
    socket.bind({ port: probePort, address: `${address}%${interfaceName}` });
  }

  #receive(bytes: Buffer, { address, port }: RemoteInfo): void {
    const message = port === probePort ? parseProbe(bytes) : undefined;
    // The kernel prints addresses in canonical form; after the % is the interface.
    if (message) this.#dependencies.onMessage(message, address.split('%', 1)[0] as Address);
  }

  #note(error: Error): void {
    const code = (error as NodeJS.ErrnoException).code ?? error.message;
    if (code === this.#trouble) return;
    this.#trouble = code;
    const { interfaceName } = this.#options;
    this.#dependencies.log.debug({ error, interface: interfaceName }, 'cannot probe a tunnel now');
  }
}
