import type { OperatorClient } from '../api/client/operator-client.ts';
import { getMember } from '../api/member-endpoints.ts';
import { describeError } from '../model/error.ts';
import { systemClock } from '../runtime/clock.ts';
import { followMove, type MoveOutcome, requestMove } from './member-move.ts';
import type { PlannedMove } from './placement-plan.ts';

/** A batch has at most as many moves as the policy allows in a minute. */
const batchMs = 60_000;
/** Each is a join; masters have other members to serve meanwhile. */
const movesAtOnce = 16;

export interface MadeMove {
  readonly move: PlannedMove;
  readonly outcome: MoveOutcome;
}

export interface MoveOptions {
  readonly graceMs: number;
  /** For each member, once it is ordered. */
  readonly waitMs: number;
}

/**
 * Makes the moves of a plan, batch by batch, and tells of each. A batch is begun a minute after the
 * one before at the earliest, and only when everybody in that one has moved: what comes later may
 * count on the room.
 * @returns how many moves were not made, those that were not begun included
 */
export async function makeMoves(
  moves: readonly PlannedMove[],
  options: MoveOptions,
  {
    client,
    onMove,
  }: { readonly client: OperatorClient; readonly onMove: (made: MadeMove) => void },
  signal: AbortSignal,
): Promise<number> {
  let left = moves.length;
  for (const batch of batchesOf(moves)) {
    const endsMs = performance.now() + batchMs;
    let failed = 0;
    for (let start = 0; start < batch.length; start += movesAtOnce) {
      const some = batch.slice(start, start + movesAtOnce);
      const made = await Promise.all(
        some.map(async (move) => {
          const outcome = await makeMove(client, move, options, signal);
          onMove({ move, outcome });
          return outcome.outcome === 'moved';
        }),
      );
      failed += made.filter((hasMoved) => !hasMoved).length;
    }
    left -= batch.length - failed;
    if (failed > 0) return left;
    const restMs = endsMs - performance.now();
    if (left > 0 && restMs > 0) await systemClock.sleep(restMs, signal);
  }
  return left;
}

/** In their order; what is postponed is in none. */
function batchesOf(moves: readonly PlannedMove[]): readonly (readonly PlannedMove[])[] {
  const planned = moves.filter(({ minute }) => minute !== undefined);
  return [...Map.groupBy(planned, ({ minute }) => minute).values()];
}

async function makeMove(
  client: OperatorClient,
  { member: { name, subset }, to }: PlannedMove,
  { graceMs, waitMs }: MoveOptions,
  signal: AbortSignal,
): Promise<MoveOutcome> {
  if (subset === undefined) throw new Error(`${name} is planned for and is in no subset`);
  try {
    const member = await client.call(getMember, { params: { subset, name } }, { signal });
    const request = { member, to: to.subset, graceMs };
    await requestMove(client, request, signal);
    return await followMove(client, request, waitMs, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: 'not-moved', reason: describeError(error) };
  }
}
