import type { Address } from '../../model/prefix.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import type { Log } from '../../runtime/log.ts';
import type { Runner } from '../runner.ts';
import { findObstacle, KernelRelay, removeLeftRelay } from './kernel-relay.ts';
import { type PortRange, RelayPorts } from './relay-ports.ts';
import { relayTableName } from './relay-table.ts';
import type { RelayCarrier, RelayedPair, RelayedTraffic } from './relayed-pair.ts';
import { SocketRelay } from './socket-relay.ts';

export type RelayKind = 'kernel' | 'user-space';

export interface RelayOptions {
  /** Whose it is, see `ownerMark`. */
  readonly owner: string;
  readonly ports: PortRange;
  /**
   * Absent for the kernel where it can. `kernel` for where somebody else's filter drops what is
   * forwarded but for what the operator lets through.
   */
  readonly kind?: RelayKind;
}

export interface RelayDependencies {
  readonly runner: Runner;
  readonly log: Log;
}

export interface PairRequest {
  /** Unique among the pairs that are open. */
  readonly id: string;
  readonly first: RelayEnd;
  readonly second: RelayEnd;
}

export interface RelayEnd {
  /** Where the end is, by authenticated means: whoever sends from there can use the relay. */
  readonly address: Address;
}

/** UDP ports of this machine: to which each end has to send what is for the other. */
export interface OpenPair {
  readonly firstPort: number;
  readonly secondPort: number;
  /** Who carries this pair: where the kernel cannot carry it, user space does. */
  readonly kind: RelayKind;
}

/**
 * Passes WireGuard's datagrams on between pairs of ends that cannot reach each other, without being
 * able to read them: what one sends to its port comes out of the other's.
 *
 * What it lets through, and to whom:
 * - A datagram is taken only from the address of the port's end, and goes out at most once, as it is,
 *   to the other end's address, at the port from which that one was last heard here. So it amplifies
 *   nothing, and a third party can neither use it nor be its target.
 * - It must look like one of WireGuard's (type, zeros, at least 32 bytes). More cannot be told
 *   without keys; WireGuard itself drops what is forged.
 * - The port of an end is learnt from any such datagram of its address, since a symmetric NAT gives
 *   each destination another one and may change it at any time. Whoever shares the address, or forges
 *   it and knows the port here, can thus lead astray what goes to that end, until the end is heard
 *   again: at once in user space, within two seconds in the kernel. In the kernel each end is learnt
 *   anew ten times a second at most; a forger who is faster than that keeps one pair from working,
 *   and no other.
 *
 * An end is answered from the address of this machine that the route to it prefers. It must send to
 * that one and, in the kernel, arrive by the interface that this route leaves by.
 */
export interface Relay extends AsyncDisposable {
  /** What pairs are carried by where nothing else is said. */
  readonly kind: RelayKind;
  /**
   * Resolves when datagrams pass. A pair that is open gets its new addresses and keeps its ports,
   * which also takes in what has changed of this machine's own addresses and routes.
   *
   * @throws HostError `relay-full`, `port-in-use`, `no-route`, `command-failed`; then the pair is closed
   */
  open(request: PairRequest): Promise<OpenPair>;
  /**
   * Resolves when no datagram passes any more. Harmless for a pair that is not open.
   *
   * @throws HostError `command-failed`; then the pair is still open
   */
  close(id: string): Promise<void>;
  /**
   * What has passed, by pair; costs as much as there are pairs. To be asked now and then: it also
   * notices that somebody has emptied the kernel's rules, and makes them anew.
   *
   * @throws HostError
   */
  readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>>;
  /** Closes all pairs and leaves nothing on the machine. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Begins without any pair; those of an earlier process end.
 *
 * @throws RangeError when the ports are none; HostError when `kind` is `kernel` and the kernel refuses
 */
export async function createRelay(
  { owner, ports, kind }: RelayOptions,
  { runner, log }: RelayDependencies,
): Promise<Relay> {
  const pool = new RelayPorts(ports);
  const tableName = relayTableName(owner);
  const options = { tableName, ports: ports.count };
  const sockets = new SocketRelay({ log });
  const obstacle = kind === undefined ? await findObstacle(options, runner) : undefined;
  if (obstacle !== undefined) log.info({ reason: obstacle }, 'the relay works in user space');
  if (kind === 'user-space' || obstacle !== undefined) {
    await removeLeftRelay(tableName, runner).catch((error: unknown) =>
      // Where there is no nft there is no table either.
      log.debug({ error }, 'cannot see whether a relay was left in the kernel'),
    );
    return new PairRelay(pool, [{ kind: 'user-space', carrier: sockets }]);
  }
  const kernel = await KernelRelay.create(options, { runner, log });
  return new PairRelay(pool, [
    { kind: 'kernel', carrier: kernel },
    { kind: 'user-space', carrier: sockets },
  ]);
}

/** Takes away what a process of this owner that was killed has left. @throws HostError */
export async function removeRelay(owner: string, runner: Runner): Promise<void> {
  await removeLeftRelay(relayTableName(owner), runner);
}

interface Way {
  readonly kind: RelayKind;
  readonly carrier: RelayCarrier;
}

interface Carried {
  readonly way: Way;
  readonly ports: readonly [number, number];
}

class PairRelay implements Relay {
  readonly #ports: RelayPorts;
  /** In the order in which they are asked. */
  readonly #ways: readonly [Way, ...Way[]];
  readonly #pairs = new Map<string, Carried>();
  readonly #queue = new KeyedQueue<string>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(ports: RelayPorts, ways: readonly [Way, ...Way[]]) {
    this.#ports = ports;
    this.#ways = ways;
  }

  get kind(): RelayKind {
    return this.#ways[0].kind;
  }

  open(request: PairRequest): Promise<OpenPair> {
    return this.#run(request.id, () => this.#open(request));
  }

  close(id: string): Promise<void> {
    return this.#run(id, async () => this.#ports.giveBack(await this.#close(id)));
  }

  async readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>> {
    const read = await Promise.all(this.#ways.map(({ carrier }) => carrier.readTraffic()));
    return new Map(read.flatMap((traffic) => [...traffic]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#running);
    for (const { carrier } of this.#ways) await carrier[Symbol.asyncDispose]();
  }

  #run<Result>(id: string, task: () => Promise<Result>): Promise<Result> {
    const running = this.#queue.run(id, task);
    const forget = (): boolean => this.#running.delete(running);
    this.#running.add(running);
    running.then(forget, forget);
    return running;
  }

  async #open({ id, first, second }: PairRequest): Promise<OpenPair> {
    const kept = await this.#close(id);
    const ports = kept.length === 0 ? this.#ports.takeTwo() : kept;
    const [firstPort, secondPort] = ports;
    try {
      const way = await this.#carry({
        id,
        first: { address: first.address, port: firstPort },
        second: { address: second.address, port: secondPort },
      });
      this.#pairs.set(id, { way, ports });
      return { firstPort, secondPort, kind: way.kind };
    } catch (error) {
      this.#ports.giveBack(ports);
      throw error;
    }
  }

  async #carry(pair: RelayedPair): Promise<Way> {
    for (const way of this.#ways) if (await way.carrier.open(pair)) return way;
    throw new Error(`nobody can relay between ${pair.first.address} and ${pair.second.address}`);
  }

  /** @returns the ports that the pair had, which nobody else has yet */
  async #close(id: string): Promise<readonly [number, number] | readonly []> {
    const pair = this.#pairs.get(id);
    if (pair === undefined) return [];
    await pair.way.carrier.close(id);
    this.#pairs.delete(id);
    return pair.ports;
  }
}
