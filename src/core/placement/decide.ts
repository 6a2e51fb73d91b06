import type { MasterName, SubsetName } from '../../model/names.ts';
import { type RankedBackup, rankBackups } from './backups.ts';
import { compareNames } from './compare-names.ts';
import type { PreparedMember } from './criteria.ts';
import { describeExclusion, type Exclusion } from './exclusion.ts';
import type { MasterFacts, MemberFacts, SubsetFacts, World } from './facts.ts';
import { isWorthMoving } from './hysteresis.ts';
import type { PlacementPolicy } from './policy.ts';
import { type CriterionShare, capacitiesOf, Scorer } from './scorer.ts';

export interface DecisionFacts {
  readonly member: MemberFacts;
  readonly world: World;
}

/** A subset with the master that acts for it. */
export interface Candidate {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

export interface RankedCandidate extends Candidate {
  /** The sum of all points; lower is better. */
  readonly score: number;
  readonly criteria: readonly CriterionShare[];
}

export interface ExcludedCandidate extends Candidate {
  /** All that exclude it, at least one. */
  readonly because: readonly Exclusion[];
  /** As far as they are known. */
  readonly criteria: readonly CriterionShare[];
}

/**
 * - `first`: it had no place.
 * - `stays`: nothing is better by the hysteresis.
 * - `better`: another place is better by the hysteresis.
 * - `forced`: its place is excluded, or gone.
 */
export type PlacementReason = 'first' | 'stays' | 'better' | 'forced';

export type PlacementDecision =
  | {
      readonly kind: 'placed';
      readonly reason: PlacementReason;
      readonly chosen: RankedCandidate;
      /** The best of the others. */
      readonly secondBest?: RankedCandidate;
      /** All candidates, the best first; by score, then by the master's and the subset's name. */
      readonly ranking: readonly RankedCandidate[];
      readonly excluded: readonly ExcludedCandidate[];
      /** As many as the policy asks for, or as there are. */
      readonly backups: readonly RankedBackup[];
    }
  | {
      readonly kind: 'nowhere';
      readonly excluded: readonly ExcludedCandidate[];
      /** Names what excluded each candidate; safe to show. */
      readonly message: string;
    };

/**
 * Where one member should be, with everything that led to it. Others stay where they are: a full
 * master is no candidate. For all members together there is `planPlacement`.
 */
export function decidePlacement(
  { member, world }: DecisionFacts,
  policy: PlacementPolicy,
): PlacementDecision {
  const scorer = new Scorer(world, policy);
  const { ranking, excluded } = rank({ member, world }, scorer, policy);
  const [best] = ranking;
  if (!best) return { kind: 'nowhere', excluded, message: describeNowhere(member, excluded) };
  const { chosen, reason } = choose(member, best, ranking, policy);
  const secondBest = ranking.find((candidate) => candidate !== chosen);
  const backups = rankBackups(
    { members: [scorer.prepare(member)], acting: chosen.master, masters: world.masters },
    scorer,
    policy,
  ).slice(0, policy.backups.count);
  return {
    kind: 'placed',
    reason,
    chosen,
    ...(secondBest ? { secondBest } : {}),
    ranking,
    excluded,
    backups,
  };
}

function choose(
  { subset }: MemberFacts,
  best: RankedCandidate,
  ranking: readonly RankedCandidate[],
  { hysteresis }: PlacementPolicy,
): { readonly chosen: RankedCandidate; readonly reason: PlacementReason } {
  if (subset === undefined) return { chosen: best, reason: 'first' };
  const current = ranking.find((candidate) => candidate.subset === subset);
  if (!current) return { chosen: best, reason: 'forced' };
  return isWorthMoving(current.score, best.score, hysteresis)
    ? { chosen: best, reason: 'better' }
    : { chosen: current, reason: 'stays' };
}

function rank(
  { member, world }: DecisionFacts,
  scorer: Scorer,
  policy: PlacementPolicy,
): Pick<Extract<PlacementDecision, { kind: 'placed' }>, 'ranking' | 'excluded'> {
  const prepared = scorer.prepare(member);
  const masters = assessMasters(prepared, world.masters, scorer);
  const capacities = capacitiesOf(world.masters, policy);
  const ranking: RankedCandidate[] = [];
  const excluded: ExcludedCandidate[] = [];
  for (const subset of world.subsets) {
    const master = masters.get(subset.acting);
    if (!master) continue;
    const candidate = { subset: subset.name, master: subset.acting, criteria: master.criteria };
    const capacity = capacities.get(subset.acting) ?? Infinity;
    const because = [
      ...exclusionsOfSubset(prepared, subset, scorer),
      ...exclusionsByState(member, subset, { ...master.facts, capacity }),
      ...master.because,
    ];
    if (because.length > 0) excluded.push({ ...candidate, because });
    else ranking.push({ ...candidate, score: master.score });
  }
  return {
    ranking: ranking.sort((one, other) => one.score - other.score || compareCandidates(one, other)),
    excluded: excluded.sort(compareCandidates),
  };
}

interface Assessment {
  readonly facts: MasterFacts;
  readonly score: number;
  readonly criteria: readonly CriterionShare[];
  readonly because: readonly Exclusion[];
}

/** What is the same for all subsets of a master. */
function assessMasters(
  member: PreparedMember,
  masters: readonly MasterFacts[],
  scorer: Scorer,
): ReadonlyMap<MasterName, Assessment> {
  return new Map(
    masters.map((facts) => [
      facts.name,
      {
        facts,
        score: scorer.score(member, facts.name),
        criteria: scorer.explain(member, facts.name),
        because: scorer.exclusionsOfMaster(member, facts.name),
      },
    ]),
  );
}

function exclusionsOfSubset(
  member: PreparedMember,
  subset: SubsetFacts,
  scorer: Scorer,
): readonly Exclusion[] {
  const pinned = scorer.pinAgainst(member.facts, subset);
  return [
    ...(pinned ? [pinned] : []),
    ...scorer.jurisdictions.exclusionsOfSubset(member.jurisdiction, subset),
  ];
}

/** Whoever is there already may stay: a place that is full or drained is so with it. */
function exclusionsByState(
  member: MemberFacts,
  subset: SubsetFacts,
  { isDraining, members, capacity }: MasterFacts & { readonly capacity: number },
): readonly Exclusion[] {
  if (member.subset === subset.name) return [];
  return [
    ...(isDraining ? [{ kind: 'draining' } as const] : []),
    ...(members >= capacity ? [{ kind: 'full', capacity } as const] : []),
  ];
}

function compareCandidates(one: Candidate, other: Candidate): number {
  return compareNames(one.master, other.master) || compareNames(one.subset, other.subset);
}

function describeNowhere({ name }: MemberFacts, excluded: readonly ExcludedCandidate[]): string {
  if (excluded.length === 0) return `there is no subset for ${name}: no master acts for any`;
  const reasons = excluded.map(
    ({ master, subset, because }) =>
      `${master} (${subset}): ${because.map(describeExclusion).join(', and ')}`,
  );
  return `no subset can have ${name}; ${reasons.join('; ')}`;
}
