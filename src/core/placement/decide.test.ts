import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aMaster,
  aMeasurement,
  aMember,
  aPolicy,
  aSubset,
  country,
  growth,
  somePlacementWorld,
  worldOf,
} from '../../../test/support/placement-world.ts';
import { parseMasterName } from '../../model/names.ts';
import { decidePlacement, type PlacementDecision } from './decide.ts';
import type { MemberFacts, World } from './facts.ts';
import { isWorthMoving } from './hysteresis.ts';
import type { PlacementPolicy } from './policy.ts';

function placed(decision: PlacementDecision): Extract<PlacementDecision, { kind: 'placed' }> {
  assert.equal(decision.kind, 'placed');
  return decision;
}

const decide = (member: MemberFacts, world: World, policy: PlacementPolicy) =>
  decidePlacement({ member, world }, policy);

test('every criterion is shown with its value, unit, weight and points, and they add up', () => {
  const world = worldOf(aMaster('fra', { place: { latitude: 50.1, longitude: 8.7 } }));
  const fra = aMeasurement(12, { jitterMs: 3, lossRatio: 0.02, bandwidthBitsPerSecond: 40e6 });
  const policy = aPolicy({
    criteria: {
      bandwidthMbit: { weight: 0.1 },
      distanceKm: { weight: 0.01 },
      costPer30Days: { weight: 2 },
      hops: { weight: 1, assume: 9 },
    },
    prices: { mastersPerGb: { fra: 0.5 }, links: [{ site: 'hq', master: 'fra', perGb: 0.25 }] },
  });
  const place = { latitude: 50.1, longitude: 8.7, site: 'hq' };
  const member = aMember('a', { fra }, { place, bytesPerDay: 1e9 });
  const { chosen } = placed(decide(member, world, policy));
  const rows = chosen.criteria.map(({ criterion, value, weight, points, isAssumed }) =>
    [criterion, value, weight, points, isAssumed].join(' '),
  );
  assert.deepEqual(rows, [
    'latencyMs 12 1 12 false',
    'jitterMs 3 2 6 false',
    'lossPercent 2 20 40 false',
    'hops 9 1 9 true',
    'asPathLength 10 0 0 true',
    'bandwidthMbit 40 0.1 20 false',
    'distanceKm 0 0.01 0 false',
    'costPer30Days 22.5 2 45 false',
  ]);
  assert.equal(chosen.score, 12 + 6 + 40 + 9 + 20 + 45);
});

test('ties go by the master’s name, then by the subset’s', () => {
  const world = {
    masters: [aMaster('b'), aMaster('a')],
    subsets: [aSubset('s1', 'b'), aSubset('s3', 'a'), aSubset('s2', 'a')],
  };
  const { ranking, secondBest } = placed(decide(aMember('m', { a: 9, b: 9 }), world, aPolicy()));
  assert.deepEqual(
    ranking.map(({ subset }) => subset),
    ['s2', 's3', 's1'],
  );
  assert.equal(secondBest?.subset, 's3');
});

test('a member stays until another place is better by the points and the percent', () => {
  const policy = aPolicy({ hysteresis: { points: 5, percent: 20 } });
  const at = (a: number, b: number) => {
    const member = aMember('m', { a, b }, { subset: aSubset('a').name });
    const { chosen, reason } = placed(decide(member, worldOf(aMaster('a'), aMaster('b')), policy));
    return `${chosen.subset} ${reason}`;
  };
  assert.equal(at(100, 81), 'a stays');
  assert.equal(at(100, 80), 'b better');
  assert.equal(at(10, 6), 'a stays');
  assert.equal(at(10, 5), 'b better');
});

test('whoever can have no place is told what excludes each candidate', () => {
  const de = { jurisdiction: country('DE') };
  const world = worldOf(
    aMaster('ash', { place: { jurisdiction: country('US') } }),
    aMaster('fra', { place: de, members: 2 }),
    aMaster('ham', { place: de }),
    aMaster('muc', { place: de, isDraining: true }),
    aMaster('txl'),
    aMaster('zzz', { place: de }),
  );
  const policy = aPolicy({
    criteria: { latencyMs: { atMost: 50 } },
    jurisdictions: { groups: { eea: ['DE', 'FR'] }, rules: [{ within: ['eea'] }] },
    places: { directory: 'DE' },
    capacities: { fra: 2 },
  });
  const muted = aMeasurement(70, { servesControl: false });
  const member = aMember('m', { ash: 1, fra: 2, ham: muted, muc: 3, txl: 4 });
  const decision = decide(member, world, policy);
  assert.equal(decision.kind, 'nowhere');
  assert.equal(
    decision.message,
    [
      'no subset can have m',
      ' ash (ash): traffic must stay within eea, and master ash is in US, and records must stay within eea, and master ash is in US',
      ' fra (fra): it is full with 2 members',
      ' ham (ham): it answers probes, but its control port does not answer, and its latencyMs is 70, and at most 50 is allowed',
      ' muc (muc): it is being drained',
      ' txl (txl): traffic must stay within eea, and master txl is nobody knows where, and records must stay within eea, and master txl is nobody knows where',
      ' zzz (zzz): it answers no probe',
    ].join(';'),
  );
});

test('a world without subsets says so', () => {
  const decision = decide(aMember('m', {}), { masters: [], subsets: [] }, aPolicy());
  assert.equal(decision.kind, 'nowhere');
  assert.equal(decision.message, 'there is no subset for m: no master acts for any');
});

test('a place that is full or drained may be kept, one that is excluded may not', () => {
  const world = worldOf(aMaster('a', { members: 5, isDraining: true }), aMaster('b'));
  const policy = aPolicy({ capacities: { a: 1 } });
  const inA = { subset: aSubset('a').name };
  assert.equal(placed(decide(aMember('m', { a: 1, b: 9 }, inA), world, policy)).reason, 'stays');
  const cutOff = placed(decide(aMember('m', { b: 9 }, inA), world, policy));
  assert.deepEqual([cutOff.reason, cutOff.chosen.subset], ['forced', 'b']);
});

test('a pin is kept, and does not make lawful what is not', () => {
  const world = worldOf(aMaster('a'), aMaster('b', { place: { jurisdiction: country('US') } }));
  const pins = { m: { master: 'b' } };
  const member = aMember('m', { a: 1, b: 99 });
  assert.equal(placed(decide(member, world, aPolicy({ pins }))).chosen.master, 'b');
  const rules = [{ avoid: ['US'] }];
  const jurisdictions = { rules, unknown: 'allow' };
  assert.equal(decide(member, world, aPolicy({ pins, jurisdictions })).kind, 'nowhere');
});

test('names that objects have by themselves are in no policy', () => {
  const world = worldOf(aMaster('constructor'));
  const { chosen } = placed(decide(aMember('constructor', { constructor: 5 }), world, aPolicy()));
  assert.equal(chosen.score, 5);
});

test('backups share as little as the policy wishes with the acting master', () => {
  const at = (site: string, provider: string, code: string) => ({
    place: { site, provider, jurisdiction: country(code) },
  });
  const world = worldOf(
    aMaster('a', at('x', 'p', 'DE')),
    aMaster('near', at('x', 'p', 'DE')),
    aMaster('far', at('y', 'q', 'FR')),
    aMaster('gone', { ...at('z', 'q', 'FR'), isDraining: true }),
  );
  const member = aMember('m', { a: 1, near: 2, far: 90, gone: 3 });
  const { backups } = placed(decide(member, world, aPolicy()));
  assert.deepEqual(
    backups.map(({ master, shares, total }) => [master, shares.join(' '), total]),
    [
      ['far', '', 90],
      ['near', 'site provider jurisdiction', 132],
    ],
  );
  const careless = aPolicy({
    backups: { sameSite: 0, sameProvider: 0, sameJurisdiction: 0, count: 1 },
  });
  assert.deepEqual(
    placed(decide(member, world, careless)).backups.map(({ master }) => master),
    ['near'],
  );
});

test('what is chosen breaks no constraint', () => {
  fc.assert(
    fc.property(somePlacementWorld, ({ world, members, policy }) => {
      for (const member of members) {
        const decision = decide(member, world, policy);
        if (decision.kind === 'placed') assertLawful(member, decision.chosen, world, policy);
        else assert.ok(decision.excluded.every(({ because }) => because.length > 0));
      }
    }),
  );
});

/** The constraints of `somePlacementWorld` anew, in the plainest words. */
function assertLawful(
  member: MemberFacts,
  { subset, master }: { readonly subset: string; readonly master: string },
  { masters, subsets }: World,
  policy: PlacementPolicy,
): void {
  const record = subsets.find(({ name }) => name === subset);
  assert.equal(record?.acting, master);
  const measured = member.measurements.get(parseMasterName(master));
  assert.ok(measured?.servesControl);
  assert.ok(measured.latencyMs <= (policy.criteria.latencyMs.atMost ?? Infinity));
  if (member.name === 'm0' && policy.pins[member.name]) {
    assert.equal(policy.pins[member.name]?.master, master);
  }
  const facts = masters.find(({ name }) => name === master);
  if (member.subset !== subset) {
    assert.equal(facts?.isDraining, false);
    assert.ok((facts?.members ?? 0) < (policy.capacities[parseMasterName(master)] ?? Infinity));
  }
  const whereOf = (name: string) => masters.find((each) => each.name === name)?.place?.jurisdiction;
  const serving = [master, ...(record?.backups ?? [])].map(whereOf);
  const store = record?.region ? country('US') : country('DE');
  const { rules, unknown } = policy.jurisdictions;
  const expand = (areas: readonly string[]) =>
    areas.flatMap((area) => (area === 'eu' ? ['DE', 'FR'] : [area]));
  for (const rule of rules) {
    const own = member.place?.jurisdiction;
    const isFor =
      rule.members === undefined ||
      (own ? expand(rule.members).includes(own) : unknown === 'refuse');
    if (!isFor) continue;
    const where = rule.what.includes('records') ? [...serving, store] : serving;
    for (const code of where) {
      if (code === undefined) assert.equal(unknown, 'allow');
      else {
        assert.ok(expand(rule.within ?? [code]).includes(code));
        assert.ok(!expand(rule.avoid ?? []).includes(code));
      }
    }
  }
}

test('nobody moves without the hysteresis but from where it may not stay', () => {
  fc.assert(
    fc.property(somePlacementWorld, ({ world, members, policy }) => {
      for (const member of members) {
        const decision = decide(member, world, policy);
        if (decision.kind !== 'placed' || member.subset === undefined) continue;
        const current = decision.ranking.find(({ subset }) => subset === member.subset);
        const isMove = decision.chosen.subset !== member.subset;
        if (!current) assert.equal(decision.reason, 'forced');
        else if (isMove) {
          assert.ok(isWorthMoving(current.score, decision.chosen.score, policy.hysteresis));
        }
      }
    }),
  );
});

test('one more master makes no member’s place worse', () => {
  fc.assert(
    fc.property(somePlacementWorld, ({ world, members, policy }) => {
      const { added, before, after } = growth(world);
      const own = after.subsets.filter(({ acting }) => acting === added).map(({ name }) => name);
      for (const member of members) {
        if (member.subset !== undefined && own.includes(member.subset)) continue;
        const first = decide(member, before, policy);
        if (first.kind !== 'placed') continue;
        for (const now of [member, { ...member, subset: first.chosen.subset }]) {
          assert.ok(placed(decide(now, after, policy)).chosen.score <= first.chosen.score);
        }
      }
    }),
  );
});

test('the order of masters and subsets makes no difference', () => {
  const shuffled = somePlacementWorld.chain((given) =>
    fc.record({
      given: fc.constant(given),
      masters: fc.shuffledSubarray([...given.world.masters], {
        minLength: given.world.masters.length,
      }),
      subsets: fc.shuffledSubarray([...given.world.subsets], {
        minLength: given.world.subsets.length,
      }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ given: { world, members, policy }, masters, subsets }) => {
      for (const member of members) {
        assert.deepEqual(
          decide(member, { masters, subsets }, policy),
          decide(member, world, policy),
        );
      }
    }),
  );
});
