import type { OperatorClient } from '../api/client/operator-client.ts';
import { createInvite, revokeInvite } from '../api/invite-endpoints.ts';
import { getMember, type MemberView } from '../api/member-endpoints.ts';
import { orderMove } from '../api/move-endpoints.ts';
import { isUnderWay } from '../core/move.ts';
import type { SubsetName } from '../model/names.ts';
import { longestOrderMs } from '../model/order-lifetime.ts';
import type { MoveOrder } from '../model/records/roll.ts';
import { systemClock } from '../runtime/clock.ts';
import { CliError } from './cli-error.ts';

/** How often it is looked whether a member has moved. */
const lookEveryMs = 500;

export interface MoveRequest {
  readonly member: MemberView;
  readonly to: SubsetName;
  readonly graceMs: number;
}

/** - `pending`: it has not answered yet; it does so when it comes, as long as the order holds. */
export type MoveOutcome =
  | { readonly outcome: 'moved'; readonly leavesAtMs: number }
  | { readonly outcome: 'not-moved'; readonly reason: string }
  | { readonly outcome: 'pending'; readonly isConnected: boolean };

/**
 * Orders the member to move, with an invite that admits nobody else; nothing where the same order
 * is under way already.
 * @throws CliError `old-master`; ApiError as `orderMove` and `createInvite`
 */
export async function requestMove(
  client: OperatorClient,
  { member, to, graceMs }: MoveRequest,
  signal: AbortSignal,
): Promise<void> {
  const { name, subset, identityKey, isNamedByInvite, moving, movedTo } = member;
  if (movedTo?.subset === to) return;
  if (moving?.to === to && isUnderWay(moving, Date.now())) return;
  const named = { memberName: name, ...(isNamedByInvite ? { isNamedByInvite } : {}) };
  const body = { uses: 1, lifetimeMs: longestOrderMs, identityKey, ...named };
  const invite = await client.call(createInvite, { params: { subset: to }, body }, { signal });
  if (invite.identityKey !== identityKey) throw oldMaster(to);
  const { token } = invite;
  const input = { params: { subset, name }, body: { token, graceMs } };
  await client.call(orderMove, input, { signal });
  if (moving) await withdrawInvite(client, moving, signal);
}

/**
 * The invite of an order that moves nobody any more, which would keep a place until it ends by itself:
 * that is what happens where its master does not answer.
 */
async function withdrawInvite(
  client: OperatorClient,
  { to: subset, inviteId: id }: Pick<MoveOrder, 'to' | 'inviteId'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.call(revokeInvite, { params: { subset, id } }, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

/** Resolves when something has become of the member's order, or the time is over. A failed one keeps no place. */
export async function followMove(
  client: OperatorClient,
  { member: { name, subset }, to }: MoveRequest,
  waitMs: number,
  signal: AbortSignal,
): Promise<MoveOutcome> {
  const endsMs = performance.now() + waitMs;
  for (;;) {
    const member = await client.call(getMember, { params: { subset, name } }, { signal });
    const outcome = outcomeOf(member, to);
    const { moving } = member;
    if (moving?.failure) await withdrawInvite(client, moving, signal);
    if (outcome.outcome !== 'pending' || performance.now() >= endsMs) return outcome;
    await systemClock.sleep(lookEveryMs, signal);
  }
}

function outcomeOf(
  { moving, movedTo, session, state, endedAtMs }: MemberView,
  to: SubsetName,
): MoveOutcome {
  if (movedTo?.subset === to) return { outcome: 'moved', leavesAtMs: movedTo.leavesAtMs };
  if (moving?.failure) return { outcome: 'not-moved', reason: moving.failure.reason };
  if (endedAtMs !== undefined) return { outcome: 'not-moved', reason: `it is ${state} meanwhile` };
  if (moving && isUnderWay(moving, Date.now())) {
    return { outcome: 'pending', isConnected: session !== undefined };
  }
  return { outcome: 'not-moved', reason: 'the order is over, or was replaced' };
}

function oldMaster(subset: SubsetName): CliError {
  return new CliError(
    `the master of ${subset} cannot make an invite for one node alone: update it first`,
    { code: 'old-master', fields: { subset } },
  );
}
