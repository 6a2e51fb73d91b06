import type { MasterName, SubsetName } from '../model/names.ts';
import { type Address, hostPrefix, type Prefix } from '../model/prefix.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import { blockPairs } from './addressing.ts';
import { preferenceOrder } from './master-preference.ts';

/** Where a destination is reached: at a tunnel of our own members, or through another master. */
export interface BlockRoute {
  readonly destination: Prefix;
  readonly via: 'members' | MasterName;
}

/** A member that uses another master than its block does, because it cannot reach that one. */
export interface StrayMember {
  readonly addresses: readonly Address[];
  readonly via: BlockRoute['via'];
}

export interface RoutingFacts {
  readonly self: MasterName;
  /** Every subset, and who acts for it now. */
  readonly subsets: readonly { readonly record: SubsetRecord; readonly acting: MasterName }[];
  readonly drained: ReadonlySet<MasterName>;
  /** Subsets whose members this master has tunnels to. */
  readonly served: ReadonlySet<SubsetName>;
  /** Whether another master answers through the backbone now. */
  readonly isAlive: (master: MasterName) => boolean;
  /**
   * Blocks that this master delivers itself although another one is preferred, because it did until
   * a moment ago: the other masters must have learnt of the change first, or two would send packets
   * back and forth.
   */
  readonly lingering: ReadonlySet<Prefix>;
  readonly strays: readonly StrayMember[];
}

/**
 * One way to each block of the VPN: the first of the block's masters that is alive, or the first of
 * all when none is. Nothing depends on which master sends, so that every choice agrees with those
 * of others that see the same.
 */
export function planBlockRoutes(facts: RoutingFacts): readonly BlockRoute[] {
  const blocks = facts.subsets.flatMap(({ record, acting }) =>
    blockPairs(record).flatMap(({ ordinal, ipv4, ipv6 }) => {
      const via = chooseMaster(record, acting, ordinal, facts);
      const isServed = facts.served.has(record.name);
      return [ipv4, ipv6].map((destination) => ({
        destination,
        via: isServed && facts.lingering.has(destination) ? ('members' as const) : via,
      }));
    }),
  );
  const strays = facts.strays.flatMap(({ addresses, via }) =>
    addresses.map((address) => ({ destination: hostPrefix(address), via })),
  );
  return [...blocks, ...strays];
}

function chooseMaster(
  { name, acting: home, backups }: SubsetRecord,
  acting: MasterName,
  ordinal: number,
  { self, drained, served, isAlive }: RoutingFacts,
): BlockRoute['via'] {
  const order = preferenceOrder({ home, acting, backups, drained }, ordinal);
  const able = order.filter((master) => master !== self || served.has(name));
  const chosen = able.find((master) => master === self || isAlive(master)) ?? able[0] ?? home;
  return chosen === self ? 'members' : chosen;
}
