import type { DirectoryView } from '../api/directory-endpoints.ts';
import type { MemberView } from '../api/member-endpoints.ts';
import { countsIn } from '../core/move.ts';

/** A member as far as a plan is concerned. */
export type MeasuredMember = Pick<
  MemberView,
  'name' | 'subset' | 'isNamedByInvite' | 'acting' | 'measured' | 'traffic'
> &
  Partial<Pick<MemberView, 'moving' | 'movedTo'>>;

export interface SettledMembers {
  /** Each once, where it is now. */
  readonly present: readonly MeasuredMember[];
  /** They have an order that may still be carried out: as if they were there already, and not to be moved again. */
  readonly moving: readonly MeasuredMember[];
}

/**
 * Members by where they belong. Who has moved is in two rolls until its grace period is over, and
 * counts in the newer one; so does who is on its way.
 */
export function settleMoves(
  members: readonly MeasuredMember[],
  { subsets }: Pick<DirectoryView, 'subsets'>,
  nowMs: number,
): SettledMembers {
  const actingOf = new Map(subsets.map(({ name, acting }) => [name, acting]));
  const present: MeasuredMember[] = [];
  const moving = new Map<string, MeasuredMember>();
  for (const member of members) {
    const { moving: _order, measured: _measured, ...others } = member;
    const subset = countsIn(member, nowMs);
    const acting = subset && actingOf.get(subset);
    if (subset === member.subset || (subset && !acting)) present.push(member);
    else if (subset && acting)
      moving.set(`${member.name}.${subset}`, { ...others, subset, acting });
  }
  return {
    present: present.filter(({ name, subset }) => !moving.has(`${name}.${subset}`)),
    moving: [...moving.values()],
  };
}
