import type { MemberFacts, World } from '../../src/core/placement/facts.ts';
import { type PlacementPlan, planPlacement } from '../../src/core/placement/plan.ts';
import { placementPolicySchema } from '../../src/core/placement/policy.ts';
import { type ScoreTable, scoreMembers } from '../../src/core/placement/score-table.ts';
import type { MasterName, SubsetName } from '../../src/model/names.ts';
import type { Figure } from '../figure.ts';
import type { Part } from '../part.ts';
import { simulateWorld } from './simulated-world.ts';

const size = { members: 100_000, masters: 200 };
/** Enough for everybody, and too little for the large cities. */
const spareRoom = 1.25;
const policy = placementPolicySchema.parse({});

interface Outcome {
  readonly table: ScoreTable;
  readonly plan: PlacementPlan;
  readonly ms: number;
}

/** A first plan for everybody, and the next one when a master is gone; in a process of its own, for its memory. */
export const globalPlan: Part = {
  name: 'plan',
  summary: `a plan for ${size.members} members and ${size.masters} masters, and again without one`,
  place: 'sandbox',
  async measure({ progress }) {
    const { world, members } = simulateWorld(size);
    const room = Math.ceil((size.members / size.masters) * spareRoom);
    const capacities = new Map(world.masters.map(({ name }) => [name, room]));
    progress('planning');
    const first = timed(() => plan(members, world, capacities));
    progress('planning again');
    const settled = settle(members, first.plan);
    const again = timed(() => plan(settled, withoutOne(world), capacities, first));
    return figures(first, again);
  },
};

function plan(
  members: readonly MemberFacts[],
  world: World,
  capacities: ReadonlyMap<MasterName, number>,
  before?: Pick<Outcome, 'table' | 'plan'>,
): Pick<Outcome, 'table' | 'plan'> {
  const previous = before && { table: before.table, changed: new Set<MasterName>() };
  const table = scoreMembers(members, world, policy, previous);
  return { table, plan: planPlacement(table, capacities, policy, before?.plan) };
}

function timed(work: () => Pick<Outcome, 'table' | 'plan'>): Outcome {
  const startedMs = performance.now();
  const result = work();
  return { ...result, ms: performance.now() - startedMs };
}

/** Everybody where the plan says. */
function settle(members: readonly MemberFacts[], { places }: PlacementPlan): MemberFacts[] {
  const subsetOf = new Map<string, SubsetName>(
    places.map(({ member, subset }) => [member.name, subset]),
  );
  return members.map((member) => ({ ...member, subset: subsetOf.get(member.name) }));
}

function withoutOne({ masters, subsets }: World): World {
  const [lost, ...rest] = masters;
  return { masters: rest, subsets: subsets.filter(({ acting }) => acting !== lost?.name) };
}

function figures(first: Outcome, again: Outcome): readonly Figure[] {
  const moves = again.plan.batches.flat();
  const { maxRSS } = process.resourceUsage();
  return [
    {
      name: 'plan for 100,000 members and 200 masters',
      unit: 's',
      value: first.ms / 1_000,
      goal: { kind: 'at-most', value: 10 },
      detail: `${first.plan.places.length} placed, mean score ${meanScore(first.plan)}`,
    },
    {
      name: 'plan after one master is gone',
      unit: 's',
      value: again.ms / 1_000,
      goal: { kind: 'at-most', value: 1 },
      detail: `${moves.length} moves, of them ${moves.filter(({ reason }) => reason === 'lost').length} of its members; mean score ${meanScore(again.plan)}`,
    },
    {
      name: 'memory of the process that did both, at most',
      unit: 'MB',
      value: (maxRSS * 1_024) / 1e6,
      goal: { kind: 'at-most', value: 1_000 },
      detail: 'with the measurements',
    },
  ];
}

const meanScore = ({ totalScore, places }: PlacementPlan): string =>
  (totalScore / places.length).toFixed(2);
