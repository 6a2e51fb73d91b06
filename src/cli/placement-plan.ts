import type { DirectoryView } from '../api/directory-endpoints.ts';
import type { Candidate } from '../core/placement/decide.ts';
import {
  type Move,
  type MoveReason,
  type PlacementPlan,
  planPlacement,
} from '../core/placement/plan.ts';
import type { PlacementPolicy } from '../core/placement/policy.ts';
import { type MemberId, scoreMembers } from '../core/placement/score-table.ts';
import { capacitiesOf } from '../core/placement/scorer.ts';
import type { AsPathLength } from '../core/placement/system-paths.ts';
import { type ByName, withheldFrom } from '../core/placement/withheld.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { memberFactsOf, worldOf } from './placement-facts.ts';
import { type MeasuredMember, settleMoves } from './placement-moving.ts';

export interface PlannedMove {
  /** With the subset that it is in now. */
  readonly member: MemberId;
  /** Who acts for it now; absent where nobody that is known does. */
  readonly master?: MasterName;
  readonly to: Candidate;
  readonly reason: MoveReason;
  readonly score: number;
  /** By how much the score is better; absent where it could not stay. */
  readonly gain?: number;
  /** From 1; absent when the move has to be postponed. */
  readonly minute?: number;
}

export interface PlacementOutlook {
  /** In the order in which they would be made, those that have to be postponed last. */
  readonly moves: readonly PlannedMove[];
  /** They have reported nothing, and stay where they are. */
  readonly unmeasured: readonly MemberId[];
  /** They are on their way to these subsets already, and take room there. */
  readonly moving: readonly MemberId[];
  /** What the policy has for their names does not count for them, because no invite has named them. */
  readonly withheld: readonly { readonly member: MemberId; readonly what: readonly ByName[] }[];
  /** No place was found for them; they stay where they are. */
  readonly unplaced: PlacementPlan['unplaced'];
  readonly totals: {
    readonly members: number;
    readonly moves: number;
    readonly postponed: number;
    /** How long it takes at the policy's rate. */
    readonly minutes: number;
    /** Of all that have a place when all has been done. */
    readonly score: number;
    /** What the moves make better together. */
    readonly gain: number;
  };
}

/** What a policy would move. Members that have reported nothing stay, and take room where they are. */
export function planMoves(
  members: readonly MeasuredMember[],
  directory: Pick<DirectoryView, 'masters' | 'subsets'>,
  policy: PlacementPolicy,
  asPathLength?: AsPathLength,
): PlacementOutlook {
  const { present, moving } = settleMoves(members, directory, Date.now());
  const { measured = [], unmeasured = [] } = Object.groupBy(present, (member) =>
    member.measured?.report ? 'measured' : 'unmeasured',
  );
  const world = worldOf(
    directory,
    countBy([...present, ...moving], ({ subset }) => subset),
  );
  const actingFor = new Map(directory.subsets.map(({ name, acting }) => [name, acting]));
  const taken = countBy([...unmeasured, ...moving], ({ subset }) => actingFor.get(subset));
  const capacities = new Map(
    [...capacitiesOf(world.masters, policy)].map(([master, capacity]) => [
      master,
      Math.max(0, capacity - (taken.get(master) ?? 0)),
    ]),
  );
  const plan = planPlacement(
    scoreMembers(
      measured.map((member) => memberFactsOf(member, asPathLength)),
      world,
      policy,
    ),
    capacities,
    policy,
  );
  const moves = [
    ...plan.batches.flatMap((batch, index) => batch.map((move) => planned(move, index + 1))),
    ...plan.postponed.map((move) => planned(move)),
  ];
  return {
    moves,
    unmeasured: unmeasured.map(memberId),
    moving: moving.map(memberId),
    withheld: present.flatMap((member) => {
      const what = withheldFrom(memberFactsOf(member), policy);
      return what.length === 0 ? [] : [{ member: memberId(member), what }];
    }),
    unplaced: plan.unplaced,
    totals: {
      members: present.length + moving.length,
      moves: moves.length,
      postponed: plan.postponed.length,
      minutes: plan.batches.length,
      score: plan.totalScore,
      gain: moves.reduce((sum, { gain = 0 }) => sum + gain, 0),
    },
  };
}

function memberId({ name, subset }: MeasuredMember): MemberId {
  return { name, subset };
}

function planned(
  { member, fromMaster, subset, master, reason, score, gain }: Move,
  minute?: number,
): PlannedMove {
  return {
    member,
    ...(fromMaster === undefined ? {} : { master: fromMaster }),
    to: { subset, master },
    reason,
    score,
    ...(gain === undefined ? {} : { gain }),
    ...(minute === undefined ? {} : { minute }),
  };
}

function countBy<Key extends MasterName | SubsetName | undefined>(
  members: readonly MeasuredMember[],
  keyOf: (member: MeasuredMember) => Key,
): ReadonlyMap<Key, number> {
  const groups = Map.groupBy(members, keyOf);
  return new Map([...groups].map(([key, group]) => [key, group.length]));
}
