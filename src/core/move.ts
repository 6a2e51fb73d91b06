import type { SubsetName } from '../model/names.ts';
import type { MemberRecord, MoveOrder } from '../model/records/roll.ts';

/*
 * Moving a member to another subset, as the roll of the subset that it leaves knows of it. The
 * member does the work; the record says what it was told, what came of it, and until when it stays.
 */

/** A member leaves by itself when its grace period is over, and is given so long for it. */
const leaveSlackMs = 30_000;

/** The record with a new order, which takes the place of an earlier one. */
export function withOrder(member: MemberRecord, moving: MoveOrder): MemberRecord {
  return { ...member, moving };
}

/** The order that the member is to be told of, each time that it comes: it answers with what has become of it. */
export function orderToTell({ state, moving }: MemberRecord): MoveOrder | undefined {
  return state === 'active' && moving && !moving.failure ? moving : undefined;
}

/**
 * The member has proved that it is in the subset that it was ordered to. Without such an order
 * nothing changes: a member may join where it is invited without leaving here.
 */
export function withMoved(member: MemberRecord, subset: SubsetName, nowMs: number): MemberRecord {
  const { moving, ...others } = member;
  if (moving?.to !== subset) return member;
  return { ...others, movedTo: { subset, atMs: nowMs, leavesAtMs: nowMs + moving.graceMs } };
}

/** The order could not be carried out; what is not about the present order changes nothing. */
export function withFailure(
  member: MemberRecord,
  { inviteId, reason }: { readonly inviteId: string; readonly reason: string },
  nowMs: number,
): MemberRecord {
  const { moving } = member;
  if (moving?.inviteId !== inviteId || moving.failure) return member;
  return { ...member, moving: { ...moving, failure: { atMs: nowMs, reason } } };
}

/** Whether the member should have left by itself, and has not. */
export function hasOverstayed({ state, movedTo }: MemberRecord, nowMs: number): boolean {
  return state === 'active' && movedTo !== undefined && movedTo.leavesAtMs + leaveSlackMs <= nowMs;
}

/**
 * Where a member of a roll counts: where it is going, as long as it may still get there. Undefined
 * when it has moved, because the roll that it is in now counts it.
 */
export function countsIn(
  {
    subset,
    moving,
    movedTo,
  }: Pick<MemberRecord, 'subset' | 'movedTo'> & {
    readonly moving?: Pick<MoveOrder, 'to' | 'failure' | 'expiresAtMs'> | undefined;
  },
  nowMs: number,
): SubsetName | undefined {
  if (movedTo) return undefined;
  return moving && isUnderWay(moving, nowMs) ? moving.to : subset;
}

/** Whether the order may still be carried out. */
export function isUnderWay(
  order: Pick<MoveOrder, 'failure' | 'expiresAtMs'> | undefined,
  nowMs: number,
): boolean {
  return order !== undefined && !order.failure && order.expiresAtMs > nowMs;
}
