import type { MasterName, SubsetName } from '../../model/names.ts';
import { type RankedBackup, rankBackups } from './backups.ts';
import { compareNames } from './compare-names.ts';
import type { PreparedMember } from './criteria.ts';
import type { Exclusion } from './exclusion.ts';
import type { MasterFacts, MemberFacts, World } from './facts.ts';
import { isWorthMoving } from './hysteresis.ts';
import type { PlacementPolicy } from './policy.ts';
import { Scorer } from './scorer.ts';

/** A subset, and whom its backups are for. */
export interface BackedUpSubset {
  readonly name: SubsetName;
  /** Who acts for it when nothing has failed. */
  readonly home: MasterName;
  /** Those that it has now, in their order. */
  readonly backups: readonly MasterName[];
  readonly measured: readonly MemberFacts[];
  /** They have reported nothing: only where they are counts. */
  readonly unmeasured: readonly MemberFacts[];
}

/**
 * Why a subset should have other backups, or not:
 * - `excluded`: one that it has may not be one, by the policy.
 * - `number`: it has more or fewer than the policy wants, or than could be.
 * - `better`: others are better by the hysteresis, on the average.
 * - `stays`: nothing of this.
 * - `unknown`: none of its members has measured anything.
 */
export type BackupReason = 'excluded' | 'number' | 'better' | 'stays' | 'unknown';

export interface ExcludedBackup {
  readonly master: MasterName;
  /** Each with the first of the members that it is so for, and how many there are. */
  readonly because: readonly { readonly exclusion: Exclusion; readonly members: number }[];
}

export interface BackupPlan {
  readonly subset: SubsetName;
  readonly home: MasterName;
  readonly now: readonly MasterName[];
  /** In the order in which they should take over; those of now unless there is a reason. */
  readonly planned: readonly MasterName[];
  readonly reason: BackupReason;
  readonly members: number;
  /** How many of them have measured anything. */
  readonly measured: number;
  /** All that could be one, the best first. */
  readonly ranking: readonly RankedBackup[];
  /** By name. */
  readonly excluded: readonly ExcludedBackup[];
}

/** Which masters a policy would have back a subset up. Adding one takes the root key, so it is only said. */
export function planBackups(
  subset: BackedUpSubset,
  world: World,
  policy: PlacementPolicy,
): BackupPlan {
  const scorer = new Scorer(world, policy);
  // In one order, so that sums of scores are the same whoever came first.
  const [members, unmeasured] = [subset.measured, subset.unmeasured].map((all) =>
    all
      .toSorted((one, other) => compareNames(one.name, other.name))
      .map((one) => scorer.prepare(one)),
  ) as [PreparedMember[], PreparedMember[]];
  const facts = { members, unmeasured, acting: subset.home, masters: world.masters };
  const ranking = members.length === 0 ? [] : rankBackups(facts, scorer, policy);
  const ranked = new Set(ranking.map(({ master }) => master));
  const others = world.masters.filter(({ name }) => name !== subset.home && !ranked.has(name));
  return {
    subset: subset.name,
    home: subset.home,
    now: subset.backups,
    ...choose(subset, ranking, policy),
    members: members.length + unmeasured.length,
    measured: members.length,
    ranking,
    excluded: others
      .map((master) => ({ master: master.name, because: explain(master, facts, scorer) }))
      .filter(({ because }) => because.length > 0)
      .sort((one, other) => compareNames(one.master, other.master)),
  };
}

function choose(
  { backups: now, measured }: BackedUpSubset,
  ranking: readonly RankedBackup[],
  { backups: { count }, hysteresis }: PlacementPolicy,
): Pick<BackupPlan, 'planned' | 'reason'> {
  if (measured.length === 0) return { planned: now, reason: 'unknown' };
  const best = ranking.slice(0, count);
  const planned = best.map(({ master }) => master);
  const kept = ranking.filter(({ master }) => now.includes(master));
  if (kept.length < now.length) return { planned, reason: 'excluded' };
  if (kept.length !== best.length) return { planned, reason: 'number' };
  const isBetter = isWorthMoving(meanTotal(kept), meanTotal(best), hysteresis);
  return isBetter ? { planned, reason: 'better' } : { planned: now, reason: 'stays' };
}

const meanTotal = (backups: readonly RankedBackup[]): number =>
  backups.reduce((sum, { total }) => sum + total, 0) / Math.max(1, backups.length);

/** What keeps a master from being one; for those that it may serve, to be out of everybody's reach. */
function explain(
  { name, isDraining }: MasterFacts,
  {
    members,
    unmeasured,
  }: {
    readonly members: readonly PreparedMember[];
    readonly unmeasured: readonly PreparedMember[];
  },
  scorer: Scorer,
): ExcludedBackup['because'] {
  if (isDraining) {
    return [{ exclusion: { kind: 'draining' }, members: members.length + unmeasured.length }];
  }
  const found = [
    ...[...members, ...unmeasured].flatMap(({ jurisdiction }) =>
      scorer.jurisdictions.exclusionsOfMaster(jurisdiction, name),
    ),
    ...members.flatMap((member) => scorer.exclusionsOfMaster(member, name)),
  ];
  const groups = Map.groupBy(found, kindOf).values();
  return [...groups].flatMap(([exclusion, ...more]) =>
    exclusion ? [{ exclusion, members: 1 + more.length }] : [],
  );
}

/** Exclusions that differ by no more than a member's own figures are of one kind. */
function kindOf(exclusion: Exclusion): string {
  switch (exclusion.kind) {
    case 'limit':
    case 'unmeasured':
      return `${exclusion.kind} ${exclusion.criterion}`;
    case 'jurisdiction':
      return `${exclusion.governed} ${exclusion.rule}`;
    default:
      return exclusion.kind;
  }
}
