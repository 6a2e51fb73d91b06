/*
 * When a master dies all of its members turn to others. Each waits for a random part of the spread, so
 * that these are asked by as many a second as they can take with time left for others.
 */

const msPerMember = 2.5;
const [shortestMs, longestMs] = [256, 65_536];
/** A member that knows less than this share of the spread comes too early, one that knows more too late. */
const tolerance = 1.25;

/** @param members of the subset @returns milliseconds, 256 to 65,536 */
export function failoverSpreadMs(members: number): number {
  return Math.min(longestMs, Math.max(shortestMs, Math.round(members * msPerMember)));
}

/**
 * Whether a member has to be told.
 * @param knownMs what it was told last; undefined for nothing
 */
export function isSpreadStale(knownMs: number | undefined, spreadMs: number): boolean {
  if (knownMs === undefined) return true;
  return Math.max(knownMs, spreadMs) > tolerance * Math.min(knownMs, spreadMs);
}
