import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aPolicy } from '../../test/support/placement-world.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import type { MeasuredMember } from './placement-moving.ts';
import { planMoves } from './placement-plan.ts';

const [fra, sin] = [parseMasterName('fra'), parseMasterName('sin')];
const [europe, asia] = [parseSubsetName('europe'), parseSubsetName('asia')];
const directory = {
  masters: [
    { name: fra, control: '192.0.2.1:8443' },
    { name: sin, control: '192.0.2.2:8443' },
  ],
  subsets: [
    { name: europe, home: fra, acting: fra, backups: [], blocks: [] },
    { name: asia, home: sin, acting: sin, backups: [], blocks: [] },
  ],
};

const to = (name: string, latencyMs: number) =>
  masterMeasurementSchema.parse({
    ...{ name, stun: 'answers', sent: 32, lost: 0, latencyMs, jitterMs: 0 },
  });

/** @param latencies to fra and to sin; absent for one that has reported nothing */
function memberOf(
  subset: typeof europe,
  name: string,
  latencies?: readonly [number, number],
): MeasuredMember {
  const masters = latencies && [to('fra', latencies[0]), to('sin', latencies[1])];
  return {
    ...{ name: parseMemberName(name), subset, acting: subset === europe ? fra : sin },
    measured: {
      ...(masters ? { report: { ageMs: 0, masters } } : {}),
      ...{ verdict: 'unknown', isAlert: false },
    },
  };
}

const policyOf = (part: Parameters<typeof aPolicy>[0]) =>
  aPolicy({ jurisdictions: { unknown: 'allow' }, ...part });

test('whoever has measured nothing stays, and takes room where it is', () => {
  const members = [
    memberOf(europe, 'silent'),
    memberOf(asia, 'near', [10, 200]),
    memberOf(asia, 'nearer', [5, 200]),
  ];
  const roomy = planMoves(members, directory, policyOf({}));
  assert.deepEqual(
    roomy.moves.map(({ member: { name } }) => name),
    ['nearer', 'near'],
  );
  const { moves, unmeasured, totals } = planMoves(
    members,
    directory,
    policyOf({ capacities: { fra: 2 } }),
  );
  assert.deepEqual(moves, [
    {
      ...{ member: { name: 'nearer', subset: 'asia' }, master: 'sin', reason: 'better' },
      ...{ to: { subset: 'europe', master: 'fra' }, score: 5, gain: 195, minute: 1 },
    },
  ]);
  assert.deepEqual(unmeasured, [{ name: 'silent', subset: 'europe' }]);
  assert.deepEqual(totals, {
    ...{ members: 3, moves: 1, postponed: 0, minutes: 1, score: 205, gain: 195 },
  });
});

test('a minute has as many moves as the policy allows, and an exchange that needs more is postponed', () => {
  const swapped = [memberOf(europe, 'a', [200, 10]), memberOf(asia, 'b', [10, 200])];
  const slow = planMoves(swapped, directory, policyOf({ movesPerMinute: 1 }));
  assert.deepEqual([slow.moves.map(({ minute }) => minute), slow.totals.minutes], [[1, 2], 2]);
  const full = policyOf({ movesPerMinute: 1, capacities: { fra: 1, sin: 1 } });
  const { moves, totals } = planMoves(swapped, directory, full);
  assert.ok(moves.every((move) => !('minute' in move)));
  assert.deepEqual([totals.moves, totals.postponed, totals.minutes], [2, 2, 0]);
});

test('a member whose subset nobody that is known acts for is lost, and gets another', () => {
  const gone = { ...directory, masters: directory.masters.slice(0, 1) };
  const { moves } = planMoves([memberOf(asia, 'a', [10, 200])], gone, policyOf({}));
  assert.deepEqual(moves, [
    {
      ...{ member: { name: 'a', subset: 'asia' }, reason: 'lost', score: 10, minute: 1 },
      to: { subset: 'europe', master: 'fra' },
    },
  ]);
});
