import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aMaster,
  aMeasurement,
  aMember,
  aPolicy,
  country,
  type PlacementWorld,
  somePlacementWorld,
  worldOf,
} from '../../../test/support/placement-world.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { type BackedUpSubset, type BackupPlan, planBackups } from './backup-plan.ts';
import type { MemberFacts } from './facts.ts';
import { Scorer } from './scorer.ts';

const names = (plan: BackupPlan): string => plan.ranking.map(({ master }) => master).join(' ');

function aSubset(members: readonly MemberFacts[], now: readonly string[] = []): BackedUpSubset {
  return {
    ...{ name: parseSubsetName('s'), home: parseMasterName('home') },
    ...{ backups: now.map(parseMasterName), measured: members, unmeasured: [] },
  };
}

const masters = ['home', 'a', 'b', 'c'].map((name) => aMaster(name));
const world = worldOf(...masters);

test('the best on the average of all members are planned, as many as the policy wants', () => {
  const members = [aMember('m1', { a: 10, b: 40, c: 50 }), aMember('m2', { a: 70, b: 20, c: 50 })];
  const plan = planBackups(aSubset(members), world, aPolicy());
  assert.deepEqual([plan.planned, plan.reason, names(plan)], [['b', 'a'], 'number', 'b a c']);
  assert.deepEqual(
    plan.ranking.map(({ score }) => score),
    [30, 40, 50],
  );
  const one = planBackups(aSubset(members, ['b', 'a']), world, aPolicy({ backups: { count: 1 } }));
  assert.deepEqual([one.planned, one.reason], [['b'], 'number']);
});

test('backups stay, in their order, until others are better by the hysteresis', () => {
  const at = (a: number, b: number, c: number) =>
    planBackups(aSubset([aMember('m', { a, b, c })], ['c', 'b']), world, aPolicy());
  const stays = at(30, 28, 32);
  assert.deepEqual([stays.planned, stays.reason], [['c', 'b'], 'stays']);
  const better = at(5, 28, 32);
  assert.deepEqual([better.planned, better.reason], [['a', 'b'], 'better']);
});

test('a master that some do not reach loses by their share, one that nobody reaches is excluded', () => {
  const mute = aMeasurement(1, { servesControl: false });
  const members = [
    aMember('m1', { a: 10, b: 30, c: mute }),
    aMember('m2', { a: 10, b: 30 }),
    aMember('m3', { b: 30 }),
    aMember('m4', { a: 10, b: 30 }),
  ];
  const plan = planBackups(aSubset(members), world, aPolicy());
  assert.deepEqual(
    plan.ranking.map(({ master, score, unreached, total }) => [master, score, unreached, total]),
    [
      ['b', 30, 0, 30],
      ['a', 10, 1, 10 + 25 * 20],
    ],
  );
  assert.deepEqual(plan.excluded, [
    {
      master: 'c',
      because: [
        { exclusion: { kind: 'not-serving' }, members: 1 },
        { exclusion: { kind: 'unreachable' }, members: 3 },
      ],
    },
  ]);
});

test('one member’s law or limit keeps a master from all, also where that member has measured nothing', () => {
  const where = (code: string) => ({ place: { jurisdiction: country(code) } });
  const lawful = worldOf(
    aMaster('home'),
    aMaster('a', where('US')),
    aMaster('b', where('DE')),
    aMaster('c', where('DE')),
  );
  const policy = aPolicy({
    criteria: { latencyMs: { atMost: 100 } },
    jurisdictions: { rules: [{ members: ['DE'], within: ['DE'] }] },
  });
  const members = [
    aMember('m1', { a: 1, b: 20, c: 120 }, where('FR')),
    aMember('m2', { a: 1, b: 20, c: 20 }, where('FR')),
  ];
  const german = aMember('m3', {}, where('DE'));
  const plan = planBackups(
    { ...aSubset(members, ['a', 'b']), unmeasured: [german] },
    lawful,
    policy,
  );
  assert.deepEqual([plan.planned, plan.reason, plan.members], [['b'], 'excluded', 3]);
  assert.deepEqual(
    plan.excluded.map(({ master, because }) => [
      master,
      ...because.map(({ exclusion, members: count }) => `${exclusion.kind} ${count}`),
    ]),
    [
      ['a', 'jurisdiction 1', 'jurisdiction 1'],
      ['c', 'limit 1'],
    ],
  );
});

test('a subset that nobody has measured for keeps its backups', () => {
  const silent = { ...aSubset([], ['c']), unmeasured: [aMember('m', {})] };
  const plan = planBackups(silent, world, aPolicy());
  assert.deepEqual(
    [plan.planned, plan.reason, plan.members, plan.measured, plan.excluded],
    [['c'], 'unknown', 1, 0, []],
  );
});

/** The first subset of a world, as if all members were in it, every third of whom is silent. */
function firstSubset({ world: { subsets }, members }: PlacementWorld): BackedUpSubset {
  const [first] = subsets;
  assert.ok(first);
  const { name, acting: home, backups } = first;
  const measured = members.filter((_, index) => index % 3 !== 2);
  return { name, home, backups, measured, unmeasured: members.filter((_, i) => i % 3 === 2) };
}

test('backups never break a constraint, whoever is in the subset', () => {
  fc.assert(
    fc.property(somePlacementWorld, (given) => {
      const subset = firstSubset(given);
      const { planned, reason } = planBackups(subset, given.world, given.policy);
      if (reason === 'unknown') return;
      const scorer = new Scorer(given.world, given.policy);
      assert.ok(planned.length <= given.policy.backups.count && !planned.includes(subset.home));
      assert.equal(new Set(planned).size, planned.length);
      for (const master of planned) {
        const facts = given.world.masters.find(({ name }) => name === master);
        assert.equal(facts?.isDraining, false);
        for (const member of [...subset.measured, ...subset.unmeasured]) {
          const { jurisdiction } = scorer.prepare(member);
          assert.deepEqual(scorer.jurisdictions.exclusionsOfMaster(jurisdiction, master), []);
        }
        for (const member of subset.measured.map((one) => scorer.prepare(one))) {
          if (scorer.reaches(member, master)) assert.ok(scorer.score(member, master) < Infinity);
        }
      }
    }),
  );
});

test('the order of members and masters does not matter, and what is planned stays', () => {
  const shuffled = <T>(items: readonly T[], by: number): T[] =>
    items.map((_, index) => items.at((index * 7 + by) % items.length) as T);
  fc.assert(
    fc.property(somePlacementWorld, fc.nat(9), (given, by) => {
      const subset = firstSubset(given);
      const plan = planBackups(subset, given.world, given.policy);
      const { measured, unmeasured } = subset;
      // Seven and the lengths that there are have no common factor.
      const other = planBackups(
        { ...subset, measured: shuffled(measured, by), unmeasured: shuffled(unmeasured, by) },
        { ...given.world, masters: shuffled(given.world.masters, by) },
        given.policy,
      );
      assert.deepEqual(other, plan);
      const again = planBackups({ ...subset, backups: plan.planned }, given.world, given.policy);
      assert.deepEqual(again.planned, plan.planned);
      assert.ok(again.reason === 'stays' || again.reason === plan.reason);
      assert.notEqual(again.reason, 'better');
    }),
  );
});
