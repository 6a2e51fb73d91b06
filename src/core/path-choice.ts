/** A path that was dead is preferred again once it has been alive for so long: it may die again at once. */
export const settledPathMs = 3_000;

/** One of several ways to the VPN. */
export interface PathCandidate<Name extends string = string> {
  readonly name: Name;
  /** By a clock that never steps back; absent while the path is dead. */
  readonly aliveSinceMs?: number;
}

export interface PathChoice<Name extends string = string> {
  readonly using: Name;
  /** The choice may be another one after this time, though nothing changes until then; absent for never. */
  readonly reconsiderInMs?: number;
}

/**
 * Which path to use. Away from a dead one at once, to the first that is alive; to a better one only
 * when it is settled; and nowhere when all are dead, since any of them may be the first to return.
 * @param candidates in the order of preference, at least one
 * @param using the choice so far; absent, or none of the candidates, for none
 */
export function choosePath<Name extends string>(
  candidates: readonly PathCandidate<Name>[],
  using: Name | undefined,
  nowMs: number,
): PathChoice<Name> {
  const [first] = candidates;
  if (!first) throw new RangeError('there is no path to choose from');
  const alive = candidates.find(({ aliveSinceMs }) => aliveSinceMs !== undefined);
  const at = candidates.findIndex(({ name }) => name === using);
  const current = candidates[at];
  if (!current) return { using: (alive ?? first).name };
  if (current.aliveSinceMs === undefined) return { using: (alive ?? current).name };
  const waitsMs = candidates
    .slice(0, at)
    .map(({ aliveSinceMs }) => unsettledMs(aliveSinceMs, nowMs));
  const settled = candidates[waitsMs.findIndex((waitMs) => waitMs <= 0)];
  if (settled) return choosePath(candidates, settled.name, nowMs);
  const reconsiderInMs = Math.min(...waitsMs);
  return { using: current.name, ...(reconsiderInMs < Infinity ? { reconsiderInMs } : {}) };
}

/** How long a path has to live on until it is settled: nothing or less when it is, for ever when it is dead. */
function unsettledMs(aliveSinceMs: number | undefined, nowMs: number): number {
  return aliveSinceMs === undefined ? Infinity : aliveSinceMs + settledPathMs - nowMs;
}
