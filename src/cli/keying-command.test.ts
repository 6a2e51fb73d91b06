import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { vpnView } from '../../test/support/test-vpn.ts';
import type { KeyingPhase } from '../model/records/directory.ts';

const actingFor: Readonly<Record<string, string>> = { europe: 'fra', asia: 'sin' };
const nowMs = Date.now();

let phase: KeyingPhase;
/** What the masters were asked to do, in order. */
let asked: string[];
let answer: (subset: string) => unknown;
/** What a master says of all masters' certificates. */
let proofs: unknown;
/** Of a step, if they refuse it. */
let refusal: Refusal | undefined;
let operated: OperatedMasters;

before(async () => {
  operated = await startOperatedMasters({ names: Object.values(actingFor), answer: serve });
});
after(() => operated[Symbol.asyncDispose]());
beforeEach(() => {
  phase = 'per-subset';
  asked = [];
  answer = (subset) => status(subset);
  proofs = { unbound: [], unknown: [] };
  refusal = undefined;
});

function serve(_master: string, { endpoint, params, body }: ServedRequest): unknown {
  if (endpoint.path === '/v1/directory') return directory();
  if (endpoint.path === '/v1/unbound-masters') return proofs;
  if (endpoint.path === '/v1/keying') {
    if (refusal) return refusal;
    ({ phase } = body as { readonly phase: KeyingPhase });
    asked.push(phase);
    return { phase };
  }
  const { subset } = params as { readonly subset: string };
  if (endpoint.reply !== 'stream') return answer(subset);
  asked.push(`rotate ${subset}`);
  return [{ type: 'rotated', revision: 9, epoch: 8, ...rotation }, finished];
}

const rotation = { afterMs: 4.2, members: 2, connected: 1, masterHasApplied: true };
const finished = { type: 'finished', acknowledged: 0, pending: [], pendingTotal: 0, afterMs: 31 };

const directory = () => ({
  vpn: { ...vpnView(nowMs), keying: phase },
  masters: operated.masters,
  subsets: Object.entries(actingFor).map(([name, acting]) => {
    return { name, home: acting, acting, backups: [], blocks: [] };
  }),
});

const status = (subset: string, changes: object = {}) => ({
  ...{ subset, master: actingFor[subset], epoch: 8, shared: true, members: 40, pending: [] },
  ...{ createdAtMs: nowMs, rotatesAtMs: nowMs + 86_400_000 },
  ...{ unboundMasters: [], unprovedMembers: [] },
  ...changes,
});
const late = { member: 'web-2', connected: true };
const gone = { member: 'web-3', connected: false };

const hanse = (...args: readonly string[]) =>
  runHanse(['vpn', 'keying', ...args], { env: operated.env });
const lines = (text: string) => text.trimEnd().split('\n');

test('the way to one key leads through both steps, and each says who can read what from then on', async () => {
  answer = (subset) => status(subset, { pending: [gone] });
  const { out, err, exitCode } = await hanse('shared');
  assert.equal(exitCode, 0, err);
  assert.deepEqual(asked, ['changing', 'shared']);
  const [changing, shared, end, ...rest] = lines(out);
  assert.match(changing ?? '', /^changing: all subsets have one key; .*can still be read by them/);
  assert.match(shared ?? '', /^shared: .*sealed from member to member, and no master can read it$/);
  assert.deepEqual([end, rest], ['the keying of corp is shared', []]);
});

test('the second step waits until all subsets have one key, and all who are connected have it and can prove their addresses', async () => {
  const rounds = [
    { shared: false },
    { epoch: 7, pending: [] },
    { pending: [late, gone] },
    { pending: [gone], unprovedMembers: ['web-2'] },
    { pending: [gone] },
  ];
  const seen: (readonly string[])[] = [];
  answer = (subset) => {
    if (subset !== 'asia' || asked.length === 0) return status(subset);
    seen.push([...asked]);
    return status(subset, rounds.shift() ?? {});
  };
  const { exitCode, err } = await hanse('shared');
  assert.equal(exitCode, 0, err);
  assert.deepEqual(seen, Array(5).fill(['changing']));
});

test('when the time is over it says who is missing, fails, and leaves the VPN half-way', async () => {
  const away = new Refusal(503, { code: 'unavailable', message: 'starting', retryable: true });
  answer = (subset) => (subset === 'asia' ? away : status(subset, { pending: [late, gone] }));
  const { out, err, exitCode } = await hanse('shared', '--wait', '300ms');
  assert.equal(exitCode, 1);
  assert.deepEqual(asked, ['changing']);
  assert.deepEqual(lines(out).length, 1);
  assert.match(err, /^corp is still on its way to shared: .*the same command takes it up again$/m);
  assert.match(err, /^ {2}europe: not confirmed yet: web-2$/m);
  assert.match(err, /^ {2}asia: no answer: starting$/m);
});

test('nothing is begun while masters have certificates by which members could not prove their addresses', async () => {
  const { unboundMasters: _, ...ofEarlierVersion } = status('asia');
  const inEurope = status('europe', { unboundMasters: ['fra', 'sin'] });
  const inAsia = status('asia', { unboundMasters: ['sin'] });
  for (const [now, unbound, subsets, masters] of [
    ['per-subset', inEurope, 'europe (fra, sin)', ['fra', 'sin']],
    ['per-subset', ofEarlierVersion, 'asia (sin)', ['sin']],
    ['changing', inAsia, 'asia (sin)', ['sin']],
  ] as const) {
    phase = now;
    asked = [];
    answer = (subset) => (subset === unbound.subset ? unbound : status(subset));
    const { err, exitCode } = await hanse('shared');
    assert.deepEqual([exitCode, asked], [3, []]);
    const commands = masters.map((master) => `\`hanse master renew ${master}\``).join(', ');
    assert.ok(err.includes(`yet: ${subsets}; run ${commands} where`), err);
  }
  phase = 'changing';
  assert.equal((await hanse('per-subset')).exitCode, 0, 'the way back needs no proof');
});

test('a master that refuses a step for such certificates is heard', async () => {
  const message = 'the certificates of some masters do not bind all addresses';
  refusal = new Refusal(409, { code: 'refused', message, retryable: false });
  const { err, exitCode } = await hanse('shared');
  assert.deepEqual([exitCode, asked], [3, []]);
  assert.match(err, /the certificates of some masters do not bind all addresses/);
});

test('members whose certificates do not prove their addresses yet are missing as such', async () => {
  answer = (subset) => status(subset, { unprovedMembers: ['web-2'] });
  const { err, exitCode } = await hanse('shared', '--wait', '300ms');
  assert.equal(exitCode, 1);
  assert.match(err, /^ {2}asia: their certificates do not prove their addresses yet: web-2$/m);
});

test('a subset with a key of its own is missing as such', async () => {
  answer = (subset) => status(subset, { shared: subset !== 'asia' });
  const { err, exitCode } = await hanse('shared', '--wait', '300ms');
  assert.equal(exitCode, 1);
  assert.match(err, /^ {2}asia has a key of its own yet$/m);
});

test('with --now whoever is missing after the time is left behind', async () => {
  phase = 'shared';
  answer = (subset) => status(subset, { pending: [late] });
  const { out, exitCode } = await hanse('per-subset', '--wait', '300ms', '--now');
  assert.equal(exitCode, 0);
  assert.deepEqual(asked, ['changing', 'rotate europe', 'per-subset']);
  assert.match(out, /the keying of corp is per-subset/);
});

test('the way back takes a new key first, by which it is known who has followed', async () => {
  phase = 'shared';
  let epoch = 7;
  const seen: number[] = [];
  answer = (subset) => {
    seen.push(epoch);
    return status(subset, { epoch: epoch++ < 8 ? 7 : 8 });
  };
  const { out, err, exitCode } = await hanse('per-subset');
  assert.equal(exitCode, 0, err);
  assert.deepEqual(asked, ['changing', 'rotate europe', 'per-subset']);
  assert.ok(seen.length >= 4, 'it has looked again');
  assert.match(out, /^per-subset: each subset has a key of its own; masters .*can read it/m);
});

test('a VPN that is half-way goes on from there, and one that is there is left alone', async () => {
  phase = 'changing';
  assert.equal((await hanse('per-subset')).exitCode, 0);
  assert.deepEqual(asked, ['rotate europe', 'per-subset']);
  asked.length = 0;
  const { out, exitCode } = await hanse('per-subset');
  assert.deepEqual([exitCode, asked], [0, []]);
  assert.equal(out, 'the keying of corp is per-subset\n');
});

test('programs get a line for each step and one for the end', async () => {
  phase = 'changing';
  const parse = (out: string) => lines(out).map((line) => JSON.parse(line));
  const there = await hanse('per-subset', '--json');
  assert.deepEqual(parse(there.out), [
    { type: 'step', phase: 'per-subset' },
    { type: 'finished', isThere: true, lacking: [] },
  ]);
  phase = 'changing';
  answer = (subset) => status(subset, { pending: subset === 'asia' ? [late] : [] });
  const { out, exitCode } = await hanse('per-subset', '--json', '--wait', '300ms');
  assert.equal(exitCode, 1);
  const lacking = ['asia: not confirmed yet: web-2'];
  assert.deepEqual(parse(out), [{ type: 'finished', isThere: false, lacking }]);
});

test('a mode that does not exist, or is only half-way, is refused before anybody is asked', async () => {
  for (const mode of ['changing', 'open']) {
    const { err, exitCode } = await hanse(mode);
    assert.equal(exitCode, 2);
    assert.match(err, /per-subset, shared/);
  }
  assert.deepEqual(asked, []);
});

test('a VPN is shown with what its keying means for who can read what', async () => {
  for (const [now, words] of [
    ['per-subset', /^keying +per-subset: .*masters .*can read it/m],
    ['changing', /^keying +changing: .*can still be read by them, until every member seals it/m],
    ['shared', /^keying +shared: .*no master can read it/m],
  ] as const) {
    phase = now;
    const { out, exitCode } = await runHanse(['vpn', 'show'], { env: operated.env });
    assert.equal(exitCode, 0);
    assert.match(out, words);
  }
});

test('a VPN is shown with what its members cannot prove, what that means, and which masters to renew', async () => {
  const unbound = [
    { subset: 'asia', masters: ['sin'] },
    { subset: 'europe', masters: ['fra', 'sin'] },
  ];
  const away = new Refusal(503, { code: 'busy', message: 'starting', retryable: false });
  for (const [answered, words] of [
    [{ unbound: [], unknown: [] }, /^address proofs +the certificates of all masters bind all/m],
    [
      { unbound, unknown: [] },
      /^address proofs .*asia \(sin\), europe \(fra, sin\); .*nobody gets an address .*`hanse master renew fra`, `hanse master renew sin`.*restart/m,
    ],
    [{ unbound: [], unknown: ['asia'] }, /^address proofs +not known of asia, because no master/m],
    [away, /^address proofs +not known, because no master has told: starting$/m],
  ] as const) {
    proofs = answered;
    const { out, exitCode } = await runHanse(['vpn', 'show'], { env: operated.env });
    assert.equal(exitCode, 0);
    assert.match(out, words);
  }
  proofs = { unbound, unknown: ['africa'] };
  const { out } = await runHanse(['vpn', 'show', '--json'], { env: operated.env });
  assert.deepEqual(JSON.parse(out).addressProofs, proofs);
});
