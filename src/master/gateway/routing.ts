import {
  addressesIn,
  blockPairs,
  interfaceIdOf,
  parseMemberInterfaceId,
} from '../../core/addressing.ts';
import { type BlockRoute, planBlockRoutes } from '../../core/block-routes.ts';
import { nextDeliveryChangeMs, noDeliveries, updateDeliveries } from '../../core/lingering.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { Ask, Stray } from '../../paths/probe-message.ts';
import type { Directory } from '../directory/directory.ts';
import { StrayMembers, type StrayPlace, type StrayPlan } from './stray-members.ts';

export interface RoutingDependencies {
  readonly directory: Directory;
  /** Whether another master answers through the backbone now. */
  readonly isAlive: (master: MasterName) => boolean;
}

const noStrays: StrayPlan = { routes: [], claims: new Map(), dueMs: Number.POSITIVE_INFINITY };

/** Which way a master sends what is for the blocks of the VPN, as it learns who is alive and who uses whom. */
export class Routing {
  readonly #self: MasterName;
  readonly #dependencies: RoutingDependencies;
  readonly #strays = new StrayMembers();
  readonly #interfaceIds = new Map<Address, bigint>();
  #deliveries = noDeliveries;
  #places: ReadonlyMap<number, StrayPlace> = new Map();
  #strayPlan = noStrays;

  constructor(self: MasterName, dependencies: RoutingDependencies) {
    this.#self = self;
    this.#dependencies = dependencies;
  }

  /** Members with routes of their own. */
  get strayCount(): number {
    return this.#strayPlan.routes.length;
  }

  /** What the masters that serve a subset are to be told. */
  get claims(): StrayPlan['claims'] {
    return this.#strayPlan.claims;
  }

  /** Every destination once, as things are now. @param served whose members have tunnels here */
  plan(served: ReadonlySet<SubsetName>, nowMs: number): readonly BlockRoute[] {
    const { directory, isAlive } = this.#dependencies;
    const facts = {
      self: this.#self,
      subsets: directory.subsetRecords().map((record) => ({
        record,
        acting: directory.actingNow(record.name) ?? record.acting,
      })),
      drained: directory.drained,
      served,
      isAlive,
      lingering: new Set<never>(),
      strays: [],
    };
    const preferred = planBlockRoutes(facts);
    this.#deliveries = updateDeliveries(this.#deliveries, preferred, nowMs);
    const lingering = new Set(this.#deliveries.lingering.keys());
    const blocks = lingering.size === 0 ? preferred : planBlockRoutes({ ...facts, lingering });
    this.#places = this.#placesOf(served, blocks);
    this.#strayPlan = this.#planStrays(nowMs);
    return lingering.size === 0 && this.#strayPlan.routes.length === 0
      ? blocks
      : planBlockRoutes({ ...facts, lingering, strays: this.#strayPlan.routes });
  }

  /** Whether `plan` would come to something else than it did, although neither directory nor liveness has changed. */
  isOutdated(nowMs: number): boolean {
    if (nowMs >= (nextDeliveryChangeMs(this.#deliveries) ?? Number.POSITIVE_INFINITY)) return true;
    if (!this.#strays.isChanged && nowMs < this.#strayPlan.dueMs) return false;
    const before = this.#strayPlan;
    this.#strayPlan = this.#planStrays(nowMs);
    return !isSame(before.routes, this.#strayPlan.routes);
  }

  /** A member probed its tunnel to this master. */
  heardUse(from: Address, ask: Pick<Ask, 'using' | 'sequence'>, nowMs: number): void {
    const interfaceId = this.#interfaceIds.get(from) ?? interfaceIdOf(from);
    this.#interfaceIds.set(from, interfaceId);
    this.#strays.heardUse(interfaceId, ask, nowMs);
  }

  /** Another master said which members use it. What it says of subsets that it does not serve is passed over. */
  heardClaims(master: MasterName, strays: readonly Stray[], nowMs: number): void {
    const { directory } = this.#dependencies;
    const known = strays.filter(({ interfaceId }) => {
      const place = this.#placeOf(interfaceId);
      if (!place || !directory.isServing(master, place.subset)) return false;
      return addressesIn(place.pair, parseMemberInterfaceId(interfaceId).offset) !== undefined;
    });
    this.#strays.heardClaims(master, known, nowMs);
  }

  #planStrays(nowMs: number): StrayPlan {
    const { directory, isAlive } = this.#dependencies;
    const placeOf = (interfaceId: bigint): StrayPlace | undefined => this.#placeOf(interfaceId);
    const mayClaim = (master: MasterName, subset: SubsetName): boolean =>
      isAlive(master) && directory.isServing(master, subset);
    return this.#strays.plan({ placeOf, mayClaim }, nowMs);
  }

  #placeOf(interfaceId: bigint): StrayPlace | undefined {
    return this.#places.get(Number(interfaceId >> blockShift));
  }

  #placesOf(
    served: ReadonlySet<SubsetName>,
    blocks: readonly BlockRoute[],
  ): ReadonlyMap<number, StrayPlace> {
    const vias = new Map(blocks.map(({ destination, via }) => [destination, via]));
    const places = new Map<number, StrayPlace>();
    for (const { record } of this.#dependencies.directory.subsets.values()) {
      if (!served.has(record.name)) continue;
      for (const pair of blockPairs(record)) {
        const via = vias.get(pair.ipv4);
        const place = record.index * blocksPerSubset + pair.ordinal;
        if (via !== undefined) places.set(place, { subset: record.name, pair, via });
      }
    }
    return places;
  }
}

/** What is above them in an interface id names the block: 16 bits for the subset, 16 for the block. */
const blockShift = 32n;
const blocksPerSubset = 2 ** 16;

function isSame(before: StrayPlan['routes'], now: StrayPlan['routes']): boolean {
  const key = ({ addresses: [first], via }: StrayPlan['routes'][number]) => `${first} ${via}`;
  const known = new Set(before.map(key));
  return known.size === now.length && now.every((route) => known.has(key(route)));
}
