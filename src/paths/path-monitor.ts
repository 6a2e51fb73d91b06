import type { Address } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { LinkAddresses } from './link-addresses.ts';
import { maxStraysPerMessage, type Stray } from './probe-message.ts';
import { readTunnelCounters } from './tunnel-counters.ts';
import { TunnelWatch, tickMs } from './tunnel-watch.ts';

/** A tunnel with one other end. */
export interface WatchedPath {
  readonly interfaceName: string;
  /** Of this node, on this interface. */
  readonly ownLinkLocal: Address;
  readonly remoteLinkLocal: Address;
  /** Whether this node sends its packets by it now. The other end is told, at once when it changes. */
  readonly using: boolean;
  /** How often an idle tunnel is probed, and how often the other end of one in use hears of that. */
  readonly idleProbeMs: number;
}

export interface PathStatus {
  readonly isAlive: boolean;
  /** Milliseconds since the Unix epoch: for so long it has been alive, or dead. */
  readonly sinceMs: number;
  /** Whether anything was seen of it that says so; before, it is only hoped. */
  readonly isProven: boolean;
  /** Of the last probe that was answered, milliseconds. */
  readonly roundTripMs?: number;
}

export interface PathMonitorDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** A path that is watched has died or come back. */
  readonly onChange: (interfaceName: string, isAlive: boolean) => void;
  /** The other end told which members use it; see `Strays`. */
  readonly onStrays?: (interfaceName: string, strays: readonly Stray[]) => void;
  /** 0 to below 1, for jitter. */
  readonly random?: () => number;
}

const sequenceCount = 2 ** 32;
/** A node asks less often than this on average, over all of its paths; the numbers last for two years. */
const sequenceUnitMs = 20;

/**
 * Watches tunnels from this end, and answers for it where the other end watches too. A tunnel that
 * has just been added counts as alive until it has shown otherwise, half a second later.
 */
export class PathMonitor {
  readonly #dependencies: PathMonitorDependencies;
  readonly #watches = new Map<string, TunnelWatch>();
  #sequence: number;
  #isOver = false;

  constructor(dependencies: PathMonitorDependencies) {
    this.#dependencies = dependencies;
    // Later than whatever an earlier process of this node has said.
    this.#sequence = Math.floor(dependencies.clock.nowMs() / sequenceUnitMs) % sequenceCount;
  }

  /**
   * The paths to watch from now on, whole. Those that stay keep what is known of them. None after
   * `run`: nobody would close their sockets, and the process would never end.
   */
  set(paths: readonly WatchedPath[]): void {
    if (this.#isOver) return;
    const names = new Set(paths.map(({ interfaceName }) => interfaceName));
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue;
      watch.close();
      this.#watches.delete(name);
    }
    for (const path of paths) this.#watch(path);
  }

  /** False for what is not watched. */
  isAlive(interfaceName: string): boolean {
    return this.#watches.get(interfaceName)?.isAlive ?? false;
  }

  /** Resolves when the other end of the path has answered a probe that is sent now, or a later one; may never. */
  async probe(interfaceName: string): Promise<void> {
    await (this.#watches.get(interfaceName)?.probe() ?? new Promise<never>(() => undefined));
  }

  /** By interface. */
  statuses(): ReadonlyMap<string, PathStatus> {
    return new Map(Array.from(this.#watches, ([name, watch]) => [name, watch.status()]));
  }

  /** Tells the other end of a path which members use this node, in as many messages as it takes. */
  sendStrays(interfaceName: string, all: readonly Stray[]): void {
    for (let start = 0; start < all.length; start += maxStraysPerMessage) {
      const strays = all.slice(start, start + maxStraysPerMessage);
      this.#watches.get(interfaceName)?.send({ kind: 'strays', strays });
    }
  }

  /** Watches until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    let dueMs = clock.monotonicMs();
    try {
      while (!signal.aborted) {
        try {
          this.#tick();
        } catch (error) {
          log.error({ error }, 'could not look at the tunnels');
        }
        // Ticks that were missed, because the process was stopped, are not made up for.
        const nowMs = clock.monotonicMs();
        dueMs = Math.max(dueMs + tickMs, nowMs);
        await clock.sleep(dueMs - nowMs, signal).catch(() => undefined);
      }
    } finally {
      this.set([]);
      this.#isOver = true;
    }
  }

  #watch(path: WatchedPath): void {
    const before = this.#watches.get(path.interfaceName);
    if (before?.adopt(path)) return;
    before?.close();
    const { clock, log, random = Math.random, onStrays } = this.#dependencies;
    const watch = new TunnelWatch(path, {
      clock,
      log,
      random,
      nextSequence: () => this.#nextSequence(),
      onStrays: (strays) => onStrays?.(path.interfaceName, strays),
    });
    this.#watches.set(path.interfaceName, watch);
    watch.follow(LinkAddresses.read());
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) % sequenceCount;
    return this.#sequence;
  }

  #tick(): void {
    if (this.#watches.size === 0) return;
    const counters = readTunnelCounters();
    const addresses = LinkAddresses.read();
    const changed: TunnelWatch[] = [];
    for (const watch of this.#watches.values()) {
      watch.follow(addresses);
      if (watch.tick(counters.get(watch.interfaceName))) changed.push(watch);
    }
    // After all have been looked at, so that who hears of one change sees those of the same moment.
    for (const { interfaceName, isAlive } of changed) {
      this.#dependencies.log.debug({ interface: interfaceName, isAlive }, 'a path changed');
      this.#dependencies.onChange(interfaceName, isAlive);
    }
  }
}
