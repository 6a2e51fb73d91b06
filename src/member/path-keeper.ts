import type { Address } from '../model/prefix.ts';
import type { PathStatus } from '../paths/path-monitor.ts';
import { runUntilAborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { HostKeeper } from './host-keeper.ts';
import type { MemberHost, PathWatch } from './member-host.ts';
import { MembershipPaths, type MembershipPathsOptions } from './membership-paths.ts';

export interface PathKeeperDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
}

interface Entry {
  readonly paths: MembershipPaths;
  /** The member's address; absent until its interfaces are there to be watched. */
  ipv6?: Address;
}

/** A host that could not move the routes is asked again so soon: traffic waits for it. */
const retryMs = 500;

/**
 * Watches the tunnels of all memberships with one watch, and moves the routes of one when its path
 * dies: on that way there is no disk, no name to resolve and no master to ask.
 */
export class PathKeeper {
  readonly #dependencies: PathKeeperDependencies;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, Entry>();
  #watch: PathWatch | undefined;

  constructor(dependencies: PathKeeperDependencies, signal: AbortSignal) {
    this.#dependencies = dependencies;
    this.#signal = signal;
    void runUntilAborted(
      () => this.#run(),
      signal,
      // Without a host the daemon ends, and says why.
      (error) => dependencies.log.error({ err: error }, 'tunnels are not watched'),
    );
  }

  /** A membership's paths, of which nothing is known yet but, perhaps, which one was in use. */
  create(membership: string, options: MembershipPathsOptions): MembershipPaths {
    const { clock } = this.#dependencies;
    const onUse = (interfaceName: string) => {
      void this.#move(membership, interfaceName);
      this.#refresh();
    };
    const paths = new MembershipPaths(options, { clock, onUse });
    this.#entries.set(membership, { paths });
    return paths;
  }

  /** Watches the membership's paths as they were planned last. Their interfaces should be there. */
  watch(membership: string, ipv6: Address): void {
    const entry = this.#entries.get(membership);
    if (entry) entry.ipv6 = ipv6;
    this.#refresh();
  }

  remove(membership: string): void {
    this.#entries.get(membership)?.paths.close();
    this.#entries.delete(membership);
    this.#refresh();
  }

  /** By interface; without those that are not watched yet. */
  statuses(): ReadonlyMap<string, PathStatus> {
    return this.#watch?.statuses() ?? new Map();
  }

  /**
   * Whether the other end of a tunnel answers a probe that is sent now.
   * @param signal the keeper's own unless given
   * @throws the signal's reason
   */
  async answersWithin(
    interfaceName: string,
    limitMs: number,
    signal: AbortSignal = this.#signal,
  ): Promise<boolean> {
    const answered = this.#watch?.probe(interfaceName).then(() => true);
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const tooLate = this.#dependencies.clock.sleep(limitMs, stop).then(() => false);
    try {
      return await Promise.race([...(answered ? [answered] : []), tooLate]);
    } finally {
      tooLate.catch(() => undefined);
      over.abort();
    }
  }

  async #run(): Promise<void> {
    const host = await this.#dependencies.host;
    this.#watch = host.watchPaths(() => this.#look());
    this.#refresh();
    await this.#watch.run(this.#signal);
  }

  #look(): void {
    const statuses = this.statuses();
    for (const { paths } of [...this.#entries.values()]) paths.look(statuses);
  }

  #refresh(): void {
    const watched = [...this.#entries.values()].flatMap(({ paths, ipv6 }) =>
      ipv6 === undefined ? [] : paths.watched(ipv6),
    );
    this.#watch?.set(watched);
  }

  async #move(membership: string, interfaceName: string): Promise<void> {
    const { clock, log, hostKeeper } = this.#dependencies;
    const paths = this.#entries.get(membership)?.paths;
    const isWanted = () => paths?.using?.interfaceName === interfaceName && !this.#signal.aborted;
    const master = paths?.using?.master;
    while (isWanted()) {
      try {
        await hostKeeper.use(membership, interfaceName);
        log.info({ membership, master }, 'traffic moved to another master');
        return;
      } catch (error) {
        if (this.#signal.aborted) return;
        log.error({ membership, err: error }, 'routes could not be moved');
        await clock.sleep(retryMs, this.#signal).catch(() => undefined);
      }
    }
  }
}
