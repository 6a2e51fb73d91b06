import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aPolicy } from '../../test/support/placement-world.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { planMoves } from './placement-plan.ts';
import { supposeDirectory, unmeasuredMasters } from './placement-what-if.ts';

const [ams, fra, sin] = ['ams', 'fra', 'sin'].map(parseMasterName) as [never, never, never];
const subset = (name: string, home: string, backups: readonly string[], acting = home) => ({
  ...{ name: parseSubsetName(name), home: parseMasterName(home), acting: parseMasterName(acting) },
  ...{ backups: backups.map(parseMasterName), blocks: [] },
});
const directory = {
  masters: [
    { name: ams, control: '192.0.2.1:8443' },
    { name: fra, control: '192.0.2.2:8443' },
    { name: sin, control: '192.0.2.3:8443' },
  ],
  subsets: [subset('asia', 'sin', []), subset('europe', 'fra', ['sin', 'ams'])],
};
const suppose = (without: readonly string[], added: readonly string[] = []) =>
  supposeDirectory(directory, { without, with: added });

const memberOf = (name: string, latencies: Readonly<Record<string, number>>, of = 'europe') => ({
  ...{
    name: parseMemberName(name),
    subset: parseSubsetName(of),
    acting: of === 'asia' ? sin : fra,
  },
  measured: {
    report: {
      ageMs: 0,
      masters: Object.entries(latencies).map(([master, latencyMs]) =>
        masterMeasurementSchema.parse({
          ...{ name: master, stun: 'answers', sent: 32, lost: 0, latencyMs, jitterMs: 0 },
        }),
      ),
    },
    ...{ verdict: 'unknown' as const, isAlert: false },
  },
});
const policy = aPolicy({ jurisdictions: { unknown: 'allow' } });

test('a lost master’s subset is with the backup that comes first, drained ones last', () => {
  const { directory: left, takeovers } = suppose(['fra']);
  assert.deepEqual(
    left.masters.map(({ name }) => name),
    ['ams', 'sin'],
  );
  const europe = left.subsets.find(({ name }) => name === 'europe');
  assert.deepEqual([europe?.acting, europe?.home, europe?.backups], ['sin', 'sin', ['ams']]);
  assert.deepEqual(takeovers, [{ subset: 'europe', from: 'fra', to: 'sin' }]);
  const draining = {
    ...directory,
    masters: directory.masters.map((master) =>
      master.name === sin ? { ...master, drainedSinceMs: 0 } : master,
    ),
  };
  const supposed = supposeDirectory(draining, { without: ['fra'], with: [] });
  assert.deepEqual(supposed.takeovers, [{ subset: 'europe', from: 'fra', to: 'ams' }]);
});

test('a subset that has nobody left is lost, and its members get another', () => {
  const { directory: left, takeovers } = suppose(['sin']);
  assert.deepEqual(takeovers, [{ subset: 'asia', from: 'sin' }]);
  const members = [memberOf('a', { fra: 90, ams: 80, sin: 5 }, 'asia')];
  const { moves } = planMoves(members, left, policy);
  assert.deepEqual(
    moves.map(({ member, to, reason }) => [member.name, to.subset, reason]),
    [['a', 'europe', 'lost']],
  );
});

test('a subset that its home does not act for loses the home only', () => {
  const elsewhere = { ...directory, subsets: [subset('europe', 'fra', ['ams'], 'ams')] };
  const { directory: left, takeovers } = supposeDirectory(elsewhere, {
    without: ['fra'],
    with: [],
  });
  assert.deepEqual(takeovers, []);
  assert.deepEqual([left.subsets[0]?.acting, left.subsets[0]?.backups], ['ams', []]);
});

test('a new subset takes whom it is better for, and nobody where its master is not measured', () => {
  const members = [memberOf('a', { fra: 90, ams: 10 }), memberOf('b', { fra: 10, ams: 90 })];
  const { directory: more, added } = suppose([], ['london=ams']);
  const { moves } = planMoves(members, more, policy);
  assert.deepEqual(
    moves.map(({ member, to }) => [member.name, to.subset, to.master]),
    [['a', 'london', 'ams']],
  );
  assert.deepEqual(unmeasuredMasters({ added }, members), []);
  const unknown = suppose([], ['orient=sin', 'orient-2=sin']);
  assert.deepEqual(unmeasuredMasters(unknown, members), ['sin']);
  assert.deepEqual(planMoves(members, unknown.directory, policy).moves, []);
});

test('what cannot be supposed is refused with what would be right', () => {
  const refusals: readonly (readonly [() => unknown, RegExp])[] = [
    [
      () => suppose(['par']),
      /there is no master par; the VPN has: ams, fra, sin\. Members measure/,
    ],
    [() => suppose([], ['paris=par']), /there is no master par/],
    [() => suppose([], ['europe=ams']), /--with europe=ams: there is a subset europe already/],
    [() => suppose([], ['ams']), /--with ams: expected SUBSET=MASTER/],
    [() => suppose([], ['Paris=ams']), /use 1 to 32 lower-case/],
    [() => suppose(['fra'], ['paris=fra']), /paris=fra: fra is to be lost/],
  ];
  for (const [attempt, message] of refusals) assert.throws(attempt, { code: 'invalid', message });
});

test('nobody is planned to go to a lost master, whoever is lost', () => {
  const latency = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      fc.subarray(['ams', 'fra', 'sin']),
      fc.array(fc.tuple(latency, latency, latency, fc.constantFrom('asia', 'europe')), {
        minLength: 1,
        maxLength: 8,
      }),
      (without, drawn) => {
        const members = drawn.map(([one, two, three, of], index) =>
          memberOf(`m${index}`, { ams: 10 * one, fra: 10 * two, sin: 10 * three }, of),
        );
        const { moves, unplaced } = planMoves(members, suppose(without).directory, policy);
        for (const { to, master } of moves) {
          assert.ok(!without.includes(to.master) && !without.includes(master ?? ''));
        }
        assert.equal(unplaced.length > 0, without.length === 3);
      },
    ),
  );
});
