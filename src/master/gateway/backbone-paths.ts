import { backboneLinkLocal } from '../../core/addressing.ts';
import type { BackboneNeighbour } from '../../core/gateway-plan.ts';
import type { MasterName } from '../../model/names.ts';
import type { MasterRecord, SubsetRecord } from '../../model/records/directory.ts';
import { PathMonitor, type PathStatus, type WatchedPath } from '../../paths/path-monitor.ts';
import type { Stray } from '../../paths/probe-message.ts';
import { readTunnelCounters } from '../../paths/tunnel-counters.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

export interface BackbonePathsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly interfaceNameOf: (other: MasterName) => string;
  readonly onChange: (other: MasterName, isAlive: boolean) => void;
  readonly onStrays: (other: MasterName, strays: readonly Stray[]) => void;
}

/** Masters that replace one another have to know at once; the others may take a second longer. */
const partnerProbeMs = 100;
const strangerProbeMs = 1_000;

/** The tunnels to the other masters, by their names. */
export class BackbonePaths {
  readonly #dependencies: BackbonePathsDependencies;
  readonly #monitor: PathMonitor;
  /** By interface. */
  #masters: ReadonlyMap<string, MasterName> = new Map();

  constructor(dependencies: BackbonePathsDependencies) {
    const { clock, log, onChange, onStrays } = dependencies;
    this.#dependencies = dependencies;
    this.#monitor = new PathMonitor({
      clock,
      log,
      onChange: (name, isAlive) => {
        const master = this.#masters.get(name);
        if (master === undefined) return;
        log.info({ master, isAlive }, isAlive ? 'a master is reached again' : 'a master is lost');
        onChange(master, isAlive);
      },
      onStrays: (name, strays) => {
        const master = this.#masters.get(name);
        if (master !== undefined) onStrays(master, strays);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#monitor.run(signal);
  }

  /** The masters whose tunnels are watched from now on, whole. */
  watch(
    self: MasterRecord,
    neighbours: readonly BackboneNeighbour[],
    subsets: readonly SubsetRecord[],
  ): void {
    const partners = partnersOf(self.name, subsets);
    const paths = neighbours.map(({ record }) => this.#pathTo(record, self, partners));
    this.#masters = new Map(
      neighbours.map(({ record: { name } }) => [this.#dependencies.interfaceNameOf(name), name]),
    );
    this.#monitor.set(paths);
  }

  /** As `watch`, of those tunnels that an earlier process has left. */
  watchExisting(...[self, neighbours, subsets]: Parameters<BackbonePaths['watch']>): void {
    const existing = readTunnelCounters();
    const isThere = ({ record }: BackboneNeighbour): boolean =>
      existing.has(this.#dependencies.interfaceNameOf(record.name));
    this.watch(self, neighbours.filter(isThere), subsets);
  }

  /** A master whose tunnel is not watched yet is given the benefit of the doubt. */
  isAlive(other: MasterName): boolean {
    const name = this.#dependencies.interfaceNameOf(other);
    return !this.#masters.has(name) || this.#monitor.isAlive(name);
  }

  /** Whether all that is watched has shown whether it is alive. */
  areProven(): boolean {
    return [...this.#monitor.statuses().values()].every(({ isProven }) => isProven);
  }

  statuses(): ReadonlyMap<MasterName, PathStatus> {
    return new Map(
      Array.from(this.#monitor.statuses()).flatMap(([name, status]) => {
        const master = this.#masters.get(name);
        return master === undefined ? [] : [[master, status] as const];
      }),
    );
  }

  tell(other: MasterName, strays: readonly Stray[]): void {
    this.#monitor.sendStrays(this.#dependencies.interfaceNameOf(other), strays);
  }

  #pathTo(
    { name, index }: MasterRecord,
    self: MasterRecord,
    partners: ReadonlySet<MasterName>,
  ): WatchedPath {
    return {
      interfaceName: this.#dependencies.interfaceNameOf(name),
      ownLinkLocal: backboneLinkLocal(self.index),
      remoteLinkLocal: backboneLinkLocal(index),
      using: false,
      idleProbeMs: partners.has(name) ? partnerProbeMs : strangerProbeMs,
    };
  }
}

/** The masters that serve a subset which this one serves as well. */
function partnersOf(self: MasterName, subsets: readonly SubsetRecord[]): ReadonlySet<MasterName> {
  const groups = subsets.map(({ acting, backups }) => [acting, ...backups]);
  return new Set(groups.filter((group) => group.includes(self)).flat());
}
