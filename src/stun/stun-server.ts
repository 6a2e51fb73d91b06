import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { answerBinding, type BindingOutcome } from './binding-answer.ts';
import { SourceLimit } from './source-limit.ts';

/** Registered with IANA (RFC 8489 §18.6). */
export const defaultStunPort = 3_478;

export interface StunServerOptions {
  /** A name or address without brackets; `0.0.0.0` and `::` stand for all addresses of both families. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** What answers say they are made by. */
  readonly software: string;
}

/** `limited`: not answered, because too much was asked; `ignored`: no binding request. */
export type StunOutcome = BindingOutcome | 'limited';

export interface StunServerDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly onPacket: (outcome: StunOutcome) => void;
}

const anyAddress: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** Answers STUN binding requests over UDP. An answer goes out of the socket that was asked. */
export class StunServer implements AsyncDisposable {
  readonly #sockets: readonly Socket[];
  readonly #software: string;
  readonly #dependencies: StunServerDependencies;
  readonly #limit: SourceLimit;

  private constructor(
    sockets: readonly Socket[],
    software: string,
    dependencies: StunServerDependencies,
  ) {
    this.#sockets = sockets;
    this.#software = software;
    this.#dependencies = dependencies;
    this.#limit = new SourceLimit(dependencies.clock.monotonicMs());
    for (const socket of sockets) {
      socket.on('message', (packet, from) => this.#answer(socket, packet, from));
      // A packet that came back undeliverable concerns nobody else.
      socket.on('error', (error) => dependencies.log.debug({ error }, 'a STUN socket complained'));
    }
  }

  /** @throws system errors, named by Node, when the address cannot be listened on */
  static async listen(
    { host, port, software }: StunServerOptions,
    dependencies: StunServerDependencies,
  ): Promise<StunServer> {
    const sockets = anyAddress.has(host)
      ? await bindBoth(port)
      : [await bind(isIPv6(host) ? 'udp6' : 'udp4', host, port)];
    return new StunServer(sockets, software, dependencies);
  }

  get port(): number {
    return this.#sockets[0]?.address().port ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #answer(socket: Socket, packet: Buffer, { address, port }: RemoteInfo): void {
    const { clock, onPacket } = this.#dependencies;
    const [plain = ''] = address.split('%', 1);
    if (!this.#limit.admits(plain, clock.monotonicMs())) {
      onPacket('limited');
      return;
    }
    const answer = answerBinding(packet, { address: plain, port }, this.#software);
    // Nobody is at port 0. What cannot be sent is a lost packet.
    if (answer.packet && port > 0) socket.send(answer.packet, port, address, () => undefined);
    onPacket(answer.outcome);
  }
}

/** A machine without IPv6 is served over IPv4. */
async function bindBoth(port: number): Promise<readonly Socket[]> {
  const ipv4 = await bind('udp4', '0.0.0.0', port);
  try {
    return [ipv4, await bind('udp6', '::', ipv4.address().port)];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAFNOSUPPORT') return [ipv4];
    ipv4.close();
    throw error;
  }
}

async function bind(type: 'udp4' | 'udp6', address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  try {
    socket.bind({ address, port });
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
