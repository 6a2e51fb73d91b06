import type { MasterName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Directory } from '../directory/directory.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';

/** How many members count as the master's, in all subsets that it acts for. */
export function membersOf(subsets: SubsetKeeper, nowMs: number): number {
  return subsets.acting().reduce((sum, { state: { roll } }) => sum + roll.countedAt(nowMs), 0);
}

/**
 * What the policy lets the master act for, when it acts for as many or more; else undefined.
 * @throws MasterError `unreadable-policy`
 */
export function fullWith(
  master: MasterName,
  {
    directory,
    subsets,
    clock,
  }: {
    readonly directory: Pick<Directory, 'requirePlacementPolicy'>;
    readonly subsets: SubsetKeeper;
    readonly clock: Clock;
  },
): number | undefined {
  const { capacities } = directory.requirePlacementPolicy();
  const capacity = Object.hasOwn(capacities, master) ? capacities[master] : undefined;
  if (capacity === undefined) return undefined;
  return membersOf(subsets, clock.nowMs()) >= capacity ? capacity : undefined;
}
