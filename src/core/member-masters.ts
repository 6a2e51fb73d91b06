import type { MasterName } from '../model/names.ts';
import type { Address } from '../model/prefix.ts';
import { blockOrdinalOf } from './addressing.ts';

/** Which master each of a membership's interfaces leads to, by the interface's number. */
export type PathSlots = readonly (MasterName | null)[];

/**
 * Gives each master an interface. Who has one keeps it, so that a tunnel which is up stays up
 * whatever else a view changes; others take the first that is free.
 */
export function assignSlots(before: PathSlots, masters: readonly MasterName[]): PathSlots {
  const slots = before.map((master) => (master && masters.includes(master) ? master : null));
  for (const master of masters) {
    if (slots.includes(master)) continue;
    const free = slots.indexOf(null);
    slots[free === -1 ? slots.length : free] = master;
  }
  return slots;
}

/**
 * In which order a member uses its masters.
 * @param orders one for each of the subset's address blocks, going round (`core/master-preference`)
 * @param masters all that there are; one that an order forgets comes last
 */
export function orderFor(
  ipv6: Address,
  orders: readonly (readonly MasterName[])[],
  masters: readonly MasterName[],
): readonly MasterName[] {
  const order = orders[blockOrdinalOf(ipv6) % orders.length] ?? [];
  return [...new Set([...order, ...masters])].filter((master) => masters.includes(master));
}

/** A master as a session with it is concerned. */
export interface SessionCandidate {
  readonly master: MasterName;
  /** Whether the tunnel to it works. */
  readonly isAlive: boolean;
}

/**
 * In which order to look for a session: a master whose tunnel is dead is likely dead itself and would
 * cost a time-out, but may be the only one to be had.
 * @param order of preference
 */
export function sessionOrder(order: readonly SessionCandidate[]): readonly MasterName[] {
  const [alive, dead] = [true, false].map((isAlive) => order.filter((c) => c.isAlive === isAlive));
  return [...(alive ?? []), ...(dead ?? [])].map(({ master }) => master);
}

/**
 * The master that a session should move to, which is the one whose path is in use; undefined when it
 * is well where it is. It does not move away from a living master that is preferred, which only waits
 * for its path to settle.
 * @param order of preference
 * @param using the master whose path is in use
 * @param current the session's master
 */
export function betterMaster(
  order: readonly SessionCandidate[],
  using: MasterName,
  current: MasterName,
): MasterName | undefined {
  const placeOf = (name: MasterName) => order.findIndex(({ master }) => master === name);
  const [wanted, present] = [placeOf(using), placeOf(current)];
  if (using === current || !order[wanted]?.isAlive) return undefined;
  const isWell = order[present]?.isAlive === true && present < wanted;
  return isWell ? undefined : using;
}
