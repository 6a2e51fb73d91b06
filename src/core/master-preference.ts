import type { MasterName } from '../model/names.ts';

/** Who serves a subset, as far as the directory says. */
export interface ServingMasters {
  /** Who acts for it when nothing has failed. */
  readonly home: MasterName;
  /** Who acts for it now. */
  readonly acting: MasterName;
  /** In the order in which they take over the subset's first block. */
  readonly backups: readonly MasterName[];
  /** Masters that are being emptied: nobody's choice while there is another. */
  readonly drained: ReadonlySet<MasterName>;
}

/**
 * In which order the masters of a subset are to be used for one of its address blocks; whoever
 * decides takes the first that it can reach. The home master comes first while it acts. After that
 * the backups do, each block beginning with another one, so that they share a dead master's members.
 * Every node computes the same order from the same records.
 */
export function preferenceOrder(
  { home, acting, backups, drained }: ServingMasters,
  blockOrdinal: number,
): readonly MasterName[] {
  const rotation = backups.length === 0 ? 0 : blockOrdinal % backups.length;
  const rotated = [...backups.slice(rotation), ...backups.slice(0, rotation)];
  const order = acting === home ? [home, ...rotated] : [...rotated, home];
  return [
    ...order.filter((master) => !drained.has(master)),
    ...order.filter((master) => drained.has(master)),
  ];
}

/** The distinct orders of a subset's blocks: block N has the order N modulo their number. */
export function preferenceOrders(masters: ServingMasters): readonly (readonly MasterName[])[] {
  const count = Math.max(1, masters.backups.length);
  return Array.from({ length: count }, (_, ordinal) => preferenceOrder(masters, ordinal));
}
