import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aMaster,
  aMember,
  aPolicy,
  aSubset,
  growth,
  type PlacementWorld,
  somePlacementWorld,
  worldOf,
} from '../../../test/support/placement-world.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import { decidePlacement } from './decide.ts';
import type { MemberFacts } from './facts.ts';
import { isWorthMoving } from './hysteresis.ts';
import { type Move, type PlacementPlan, planPlacement } from './plan.ts';
import { scoreMembers } from './score-table.ts';
import { capacitiesOf } from './scorer.ts';

function plan({ world, members, policy }: PlacementWorld): PlacementPlan {
  const table = scoreMembers(members, world, policy);
  return planPlacement(table, capacitiesOf(world.masters, policy), policy);
}

const movesOf = ({ batches, postponed }: PlacementPlan): readonly Move[] => [
  ...batches.flat(),
  ...postponed,
];
const describe = (moves: readonly Move[]): readonly string[] =>
  moves.map(({ member, subset, reason }) => `${member.name} to ${subset}: ${reason}`);

const inSubset = (name: string): Pick<MemberFacts, 'subset'> => ({ subset: aSubset(name).name });

test('a member whose subset has a master that is not there is lost, whoever else there is', () => {
  const given = {
    world: { masters: [aMaster('a')], subsets: [aSubset('a'), aSubset('gone', 'b')] },
    members: [
      aMember('m1', { a: 1 }, inSubset('a')),
      aMember('m2', { a: 90 }, inSubset('gone')),
      aMember('m3', { a: 90 }, inSubset('gone')),
    ],
    policy: aPolicy(),
  };
  const moves = movesOf(plan(given));
  assert.deepEqual(describe(moves), ['m2 to a: lost', 'm3 to a: lost']);
  assert.ok(moves.every((move) => !('gain' in move)));
});

test('a full master keeps those that would lose most elsewhere', () => {
  const given = {
    world: worldOf(aMaster('a'), aMaster('b')),
    members: [aMember('m1', { a: 10, b: 20 }), aMember('m2', { a: 10, b: 90 })],
    policy: aPolicy({ capacities: { a: 1 } }),
  };
  const result = plan(given);
  assert.deepEqual(describe(movesOf(result)), ['m1 to b: join', 'm2 to a: join']);
  assert.equal(result.totalScore, 30);
  assert.equal(result.prices.get(aMaster('a').name), 10);
});

test('nobody is moved for another’s benefit, but to give everybody a place', () => {
  const policy = aPolicy({ capacities: { a: 1, b: 1 } });
  const world = worldOf(aMaster('a'), aMaster('b'));
  const settled = aMember('m1', { a: 10, b: 12 }, inSubset('a'));
  const choosy = { world, members: [settled, aMember('m2', { a: 10, b: 90 })], policy };
  assert.deepEqual(describe(movesOf(plan(choosy))), ['m2 to b: join']);
  const needy = { world, members: [settled, aMember('m2', { a: 10 })], policy };
  assert.deepEqual(describe(movesOf(plan(needy))), ['m1 to b: makes-room', 'm2 to a: join']);
});

test('as few as must leave a master that has too many, and those that lose least', () => {
  const members = ['m1', 'm2', 'm3'].map((name, index) =>
    aMember(name, { a: 10, b: 11 + index }, inSubset('a')),
  );
  const policy = aPolicy({ capacities: { a: 2 } });
  const result = plan({ world: worldOf(aMaster('a'), aMaster('b')), members, policy });
  assert.deepEqual(describe(movesOf(result)), ['m1 to b: over-capacity']);
});

test('members of a lost master come first, then the best gains, so many in each batch', () => {
  const world = worldOf(aMaster('a'), aMaster('b'));
  const members = [
    aMember('m1', { a: 60, b: 10 }, inSubset('a')),
    aMember('m2', { a: 90, b: 10 }, inSubset('a')),
    aMember('m3', { a: 90, b: 10 }, inSubset('gone')),
    aMember('m4', { a: 90, b: 10 }),
  ];
  const { batches, postponed } = plan({ world, members, policy: aPolicy({ movesPerMinute: 2 }) });
  assert.deepEqual(batches.map(describe), [
    ['m3 to b: lost', 'm4 to b: join', 'm2 to b: better'],
    ['m1 to b: better'],
  ]);
  assert.deepEqual(postponed, []);
});

test('whoever has no place is named with why', () => {
  const members = [aMember('m1', { a: 1 }), aMember('m2', { a: 2 }), aMember('m3', {})];
  const policy = aPolicy({ capacities: { a: 1 } });
  const { unplaced } = plan({ world: worldOf(aMaster('a')), members, policy });
  assert.deepEqual(
    unplaced.map(({ member, because }) => `${member.name} ${because}`),
    ['m2 no-room', 'm3 no-candidate'],
  );
});

test('a plan has one place for everybody, within all constraints', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const { places, unplaced } = plan(given);
      assert.equal(places.length + unplaced.length, given.members.length);
      for (const { member, subset, score } of places) {
        const facts = given.members.find(({ name }) => name === member.name);
        assert.ok(facts);
        // A decision leaves everybody else where they are; without capacities it has all candidates of a plan.
        const policy = { ...given.policy, capacities: {} };
        const decision = decidePlacement({ member: facts, world: given.world }, policy);
        assert.equal(decision.kind, 'placed');
        const candidate = decision.ranking.find((each) => each.subset === subset);
        assert.equal(candidate?.score, score);
      }
    }),
  );
});

test('without capacities a plan is everybody’s own decision', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const policy = { ...given.policy, capacities: {} };
      const { places } = plan({ ...given, policy });
      for (const member of given.members) {
        const decision = decidePlacement({ member, world: given.world }, policy);
        const place = places.find((each) => each.member.name === member.name);
        assert.equal(
          place?.subset,
          decision.kind === 'placed' ? decision.chosen.subset : undefined,
        );
      }
    }),
  );
});

test('no master gets more than its capacity, not even between two batches', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const { batches } = plan(given);
      const capacities = capacitiesOf(given.world.masters, given.policy);
      const loads = currentLoads(given);
      for (const batch of batches) {
        const before = new Map(loads);
        for (const { fromMaster, master } of batch) {
          loads.set(master, (loads.get(master) ?? 0) + 1);
          if (fromMaster !== undefined) loads.set(fromMaster, (loads.get(fromMaster) ?? 0) - 1);
        }
        for (const [master, load] of loads) {
          const limit = Math.max(capacities.get(master) ?? Infinity, before.get(master) ?? 0);
          assert.ok(load <= limit, `${master} has ${load} of ${limit}`);
        }
        const moving = batch.filter(({ isJoin }) => !isJoin);
        assert.ok(moving.length <= given.policy.movesPerMinute);
      }
    }),
  );
});

function currentLoads({ world, members }: PlacementWorld): Map<MasterName, number> {
  const loads = new Map<MasterName, number>();
  for (const { subset } of members) {
    const acting = world.subsets.find(({ name }) => name === subset)?.acting;
    if (acting !== undefined) loads.set(acting, (loads.get(acting) ?? 0) + 1);
  }
  return loads;
}

test('nobody moves without the hysteresis, but for the reasons that are given', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const result = plan(given);
      for (const move of movesOf(result)) {
        if (move.reason !== 'better') continue;
        const current = move.score + (move.gain ?? 0);
        assert.ok(isWorthMoving(current, move.score, given.policy.hysteresis));
      }
      if (result.unplaced.length === 0 && isSettled(given)) {
        const reasons = new Set(movesOf(result).map(({ reason }) => reason));
        assert.ok([...reasons].every((reason) => reason === 'better'));
      }
    }),
  );
});

/** Everybody has a place and may stay, and no master has too many. */
function isSettled(given: PlacementWorld): boolean {
  const { world, members, policy } = given;
  const capacities = capacitiesOf(world.masters, policy);
  const mayStay = members.every((member) => {
    const decision = decidePlacement({ member, world }, { ...policy, capacities: {} });
    return decision.kind === 'placed' && ['stays', 'better'].includes(decision.reason);
  });
  return (
    mayStay &&
    [...currentLoads(given)].every(([master, load]) => load <= (capacities.get(master) ?? Infinity))
  );
}

/** The same world when the plan has been carried out. */
function settle(given: PlacementWorld): PlacementWorld {
  const { places } = plan(given);
  const subsetOf = new Map<string, SubsetName>(
    places.map(({ member, subset }) => [member.name, subset]),
  );
  const members = given.members
    .filter(({ name }) => subsetOf.has(name))
    .map((member) => ({ ...member, subset: subsetOf.get(member.name) }));
  return { ...given, members };
}

test('a plan that has been carried out is followed by none', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const settled = settle(given);
      const better = movesOf(plan(settled));
      // Places that became free while others moved may be better now; once they are taken all is quiet.
      assert.ok(better.every(({ reason }) => reason === 'better'));
      let world = settled;
      for (let round = 0; round < 10 && movesOf(plan(world)).length > 0; round += 1)
        world = settle(world);
      assert.deepEqual(movesOf(plan(world)), []);
    }),
  );
});

test('one more master makes no place worse that somebody has, and no first plan worse in all', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const worlds = growth(given.world);
      const fewer = settle({ ...given, world: worlds.before });
      const before = new Map(plan(fewer).places.map(({ member, score }) => [member.name, score]));
      for (const { member, score } of plan({ ...fewer, world: worlds.after }).places) {
        assert.ok(score <= (before.get(member.name) ?? Infinity));
      }
      const fresh = { ...fewer, members: fewer.members.map(({ subset: _, ...member }) => member) };
      const first = plan(fresh);
      const withMore = plan({ ...fresh, world: worlds.after });
      if (first.unplaced.length === 0) {
        assert.equal(withMore.unplaced.length, 0);
        assert.ok(withMore.totalScore <= first.totalScore + 1e-9);
      }
    }),
  );
});

test('the order in which members, masters and subsets are named makes no difference', () => {
  const shuffled = somePlacementWorld.chain((given) => {
    const { masters, subsets } = given.world;
    const shuffle = <T>(items: readonly T[]) =>
      fc.shuffledSubarray([...items], { minLength: items.length });
    return fc
      .tuple(shuffle(masters), shuffle(subsets), shuffle(given.members))
      .map(([a, b, members]) => [given, { ...given, world: { masters: a, subsets: b }, members }]);
  });
  fc.assert(
    fc.property(shuffled, ([given, other]) => {
      assert.ok(given && other);
      assert.deepEqual(plan(other), plan(given));
    }),
  );
});

test('a plan that begins with the last one’s prices and scores is as good as one from nothing', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const { policy } = given;
      const capacities = capacitiesOf(given.world.masters, policy);
      const { before: world, after } = growth(given.world);
      const table = scoreMembers(given.members, after, policy);
      const previous = planPlacement(table, capacities, policy);
      const changed = new Set<MasterName>();
      const rescored = scoreMembers(given.members, world, policy, { table, changed });
      const again = planPlacement(rescored, capacities, policy, previous);
      const fresh = plan({ ...given, world });
      assert.ok(Math.abs(again.totalScore - fresh.totalScore) < 1e-6);
      assert.equal(again.unplaced.length, fresh.unplaced.length);
    }),
  );
});
