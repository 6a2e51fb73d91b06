import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { familyOf } from '../../model/prefix.ts';
import type { Log } from '../../runtime/log.ts';
import { HostError } from '../host-error.ts';
import {
  directionsOf,
  type RelayCarrier,
  type RelayDirection,
  type RelayedPair,
  type RelayedTraffic,
  type RelayLeg,
} from './relayed-pair.ts';
import { isWireguardDatagram } from './wireguard-datagram.ts';

/** Holds a burst of a fast sender while this process does something else. */
const receiveBufferBytes = 4 * 1024 * 1024;

/** A relay of sockets, which any machine can have, over IPv4, IPv6 and from one to the other. */
export class SocketRelay implements RelayCarrier {
  readonly #log: Log;
  readonly #pairs = new Map<string, SocketPair>();

  constructor({ log }: { readonly log: Log }) {
    this.#log = log;
  }

  /** @throws HostError `port-in-use` */
  async open(pair: RelayedPair): Promise<boolean> {
    this.#pairs.set(pair.id, await SocketPair.open(pair, this.#log));
    return true;
  }

  async close(id: string): Promise<void> {
    this.#pairs.get(id)?.close();
    this.#pairs.delete(id);
  }

  async readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>> {
    return new Map([...this.#pairs].map(([id, pair]) => [id, pair.traffic]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.#pairs.keys()]) await this.close(id);
  }
}

class SocketPair {
  #traffic: RelayedTraffic = { packets: 0, bytes: 0 };
  readonly #log: Log;
  readonly #sockets: ReadonlyMap<RelayLeg, Socket>;
  /** From which port each end was heard last. */
  readonly #learnt = new Map<RelayLeg, number>();

  static async open(pair: RelayedPair, log: Log): Promise<SocketPair> {
    const sockets = new Map<RelayLeg, Socket>();
    try {
      for (const leg of [pair.first, pair.second]) sockets.set(leg, await bind(leg));
    } catch (error) {
      for (const socket of sockets.values()) socket.close();
      throw error;
    }
    return new SocketPair(pair, sockets, log);
  }

  private constructor(pair: RelayedPair, sockets: ReadonlyMap<RelayLeg, Socket>, log: Log) {
    this.#sockets = sockets;
    this.#log = log;
    for (const direction of directionsOf(pair)) {
      const socket = sockets.get(direction.from);
      socket?.on('message', (datagram, remote) => this.#take(direction, datagram, remote));
      socket?.on('error', (error) => this.#note(error));
    }
  }

  get traffic(): RelayedTraffic {
    return this.#traffic;
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }

  #take({ from, to }: RelayDirection, datagram: Buffer, remote: RemoteInfo): void {
    // The kernel prints addresses in canonical form.
    if (remote.address !== from.address || !isWireguardDatagram(datagram)) return;
    this.#learnt.set(from, remote.port);
    const port = this.#learnt.get(to);
    if (port === undefined) return;
    this.#sockets.get(to)?.send(datagram, port, to.address, (error) => {
      if (error) this.#note(error);
    });
    const { packets, bytes } = this.#traffic;
    this.#traffic = { packets: packets + 1, bytes: bytes + datagram.length };
  }

  /** What cannot be sent is lost, as anywhere on its way. */
  #note(error: Error): void {
    this.#log.debug({ error }, 'a datagram could not be relayed');
  }
}

async function bind({ address, port }: RelayLeg): Promise<Socket> {
  const socket =
    familyOf(address) === 4 ? createSocket('udp4') : createSocket({ type: 'udp6', ipv6Only: true });
  try {
    socket.bind(port);
    await once(socket, 'listening');
  } catch (cause) {
    socket.close();
    throw portInUse(port, cause);
  }
  socket.setRecvBufferSize(receiveBufferBytes);
  return socket;
}

function portInUse(port: number, cause: unknown): HostError {
  return new HostError(
    `the relay cannot have the UDP port ${port}: give it ports that nothing else uses`,
    { code: 'port-in-use', fields: { port }, retryable: true, cause },
  );
}
