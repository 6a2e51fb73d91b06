import { planPlacement } from '../../src/core/placement/plan.ts';
import { placementPolicySchema } from '../../src/core/placement/policy.ts';
import { scoreMembers } from '../../src/core/placement/score-table.ts';
import type { MasterName } from '../../src/model/names.ts';
import { SeededRandom } from '../../test/support/load/seeded-random.ts';
import type { Figure } from '../figure.ts';
import type { Part } from '../part.ts';
import { type SimulatedWorld, simulateWorld } from './simulated-world.ts';

const size = { members: 5_000, masters: 40 };

/** Mean latency to the acting master, against simpler ways to choose one and the best there could be. */
export const latency: Part = {
  name: 'latency',
  summary: `${size.members} members and ${size.masters} masters in a simulated world`,
  place: 'sandbox',
  async measure() {
    const simulated = simulateWorld(size, { keepsTruth: true });
    const { world, members } = simulated;
    const masters = world.masters.map(({ name }) => name);
    const random = new SeededRandom(2);
    const placed = meanOf(simulated, placedMasters(simulated));
    const nearest = meanOf(
      simulated,
      members.map((_, row) => leastBy(masters, (name) => simulated.distanceKm(row, name))),
    );
    const anyMaster = meanOf(
      simulated,
      members.map(() => masters[random.upTo(masters.length)]),
    );
    const optimum = meanOf(
      simulated,
      members.map((_, row) => leastBy(masters, (name) => simulated.latencyMs(row, name))),
    );
    return [
      {
        name: 'mean latency to the acting master, by the default policy',
        unit: 'ms',
        value: placed,
      },
      ratio('of that of the nearest by distance', placed, nearest, 1),
      ratio('of that of one at random', placed, anyMaster, 1),
      ratio('of the least there is', placed, optimum),
    ];
  },
};

function placedMasters({ world, members }: SimulatedWorld): readonly (MasterName | undefined)[] {
  const policy = placementPolicySchema.parse({});
  const { places } = planPlacement(scoreMembers(members, world, policy), new Map(), policy);
  const masterOf = new Map(places.map(({ member, master }) => [member.name, master]));
  return members.map(({ name }) => masterOf.get(name));
}

function leastBy(
  masters: readonly MasterName[],
  measure: (name: MasterName) => number,
): MasterName | undefined {
  return masters.toSorted((one, other) => measure(one) - measure(other))[0];
}

/** @throws RangeError when a member has no master: the mean would say nothing */
function meanOf(
  { latencyMs }: SimulatedWorld,
  chosen: readonly (MasterName | undefined)[],
): number {
  const total = chosen.reduce((sum, master, row) => {
    if (master === undefined) throw new RangeError(`member ${row} has no master`);
    return sum + latencyMs(row, master);
  }, 0);
  return total / chosen.length;
}

function ratio(name: string, placed: number, other: number, goal?: number): Figure {
  return {
    name: `the same, share ${name}`,
    unit: '',
    value: placed / other,
    ...(goal === undefined ? {} : { goal: { kind: 'at-most', value: goal } }),
    reference: { name: 'ms', value: other },
  };
}
