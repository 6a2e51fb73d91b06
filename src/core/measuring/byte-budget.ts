/** How much may be spent: `burstBytes` at once, and `perDayBytes` more in each day that passes. */
export interface ByteBudget {
  readonly burstBytes: number;
  readonly perDayBytes: number;
}

/** What is left of a budget at a moment. */
export interface Purse {
  readonly leftBytes: number;
  /** Monotonic. */
  readonly atMs: number;
}

const dayMs = 24 * 3_600_000;

export function fullPurse({ burstBytes }: ByteBudget, nowMs: number): Purse {
  return { leftBytes: burstBytes, atMs: nowMs };
}

/**
 * Spends at once or not at all. In no 24 hours is more spent than the sum of the budget's two figures.
 * @returns what is left; undefined when there is not enough
 */
export function spend(
  purse: Purse,
  { burstBytes, perDayBytes }: ByteBudget,
  bytes: number,
  nowMs: number,
): Purse | undefined {
  const earned = ((nowMs - purse.atMs) / dayMs) * perDayBytes;
  const leftBytes = Math.min(burstBytes, purse.leftBytes + earned) - bytes;
  return leftBytes < 0 ? undefined : { leftBytes, atMs: nowMs };
}
