import { clockSkewMs } from '../model/clock-skew.ts';
import type { Lifetimes } from '../model/records/directory.ts';
import type { MemberRecord, MemberState } from '../model/records/roll.ts';

export type DepartureState = Exclude<MemberState, 'active' | 'suspended'>;

/** The member's record once it is out; its name and addresses rest until no certificate of it can be valid. */
export function planDeparture(
  member: MemberRecord,
  state: DepartureState,
  nowMs: number,
): MemberRecord {
  const reusableAtMs = Math.max(nowMs, member.certificateEndsAtMs + clockSkewMs);
  return { ...member, state, endedAtMs: nowMs, reusableAtMs };
}

/** Whether a silent member has been away too long. Renewing its certificate is its sign of life. */
export function hasExpired(member: MemberRecord, lifetimes: Lifetimes, nowMs: number): boolean {
  return member.state === 'active' && member.certificateEndsAtMs + lifetimes.absenceMs <= nowMs;
}

/** Whether name and addresses of a former member are free again. */
export function isReusable(member: MemberRecord, nowMs: number): boolean {
  return member.reusableAtMs !== undefined && member.reusableAtMs <= nowMs;
}
