import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { vpnView } from '../../test/support/test-vpn.ts';

const actingFor: Readonly<Record<string, string>> = { europe: 'fra', asia: 'sin', america: 'nyc' };
const nowMs = Date.now();
const hourMs = 3_600_000;
/** Which master was asked to rotate which key, with what. */
const rotated: (readonly [master: string, subset: string, body: unknown])[] = [];
let answer: (subset: string, request: ServedRequest) => unknown;
let operated: OperatedMasters;

before(async () => {
  operated = await startOperatedMasters({
    names: Object.values(actingFor),
    answer: serve,
  });
});
after(() => operated[Symbol.asyncDispose]());
beforeEach(() => {
  rotated.length = 0;
});

const known = () => operated.masters;

function serve(master: string, request: ServedRequest): unknown {
  if (request.endpoint.path === '/v1/directory') return directory();
  const { subset } = request.params as { readonly subset: string };
  if (request.endpoint.reply === 'stream') rotated.push([master, subset, request.body]);
  return answer(subset, request);
}

const directory = () => ({
  vpn: vpnView(nowMs),
  backboneKey: { epoch: 4, createdAtMs: nowMs - 5 * hourMs },
  masters: known(),
  subsets: Object.entries(actingFor).map(([name, acting]) => ({
    name,
    home: acting,
    acting,
    backups: [],
    blocks: [],
  })),
});

const away = new Refusal(503, { code: 'unavailable', message: 'starting', retryable: true });
const denied = new Refusal(403, { code: 'not-permitted', message: 'not you', retryable: false });
const status = (subset: string, pending: readonly object[] = []) => ({
  subset,
  master: actingFor[subset],
  epoch: 7,
  shared: false,
  createdAtMs: nowMs - 3 * hourMs,
  rotatesAtMs: nowMs + 21 * hourMs + 60_000,
  members: 40,
  pending,
});
const pendingOf = (prefix: string, count: number, connected: boolean) =>
  Array.from({ length: count }, (_, index) => ({ member: `${prefix}-${index}`, connected }));

const first = {
  type: 'rotated',
  revision: 9,
  epoch: 8,
  afterMs: 4.2,
  members: 2,
  connected: 1,
  masterHasApplied: true,
};
const applied = { type: 'acknowledged', member: 'web-1', afterMs: 31 };
const finished = (acknowledged: number, pending: readonly object[]) => ({
  ...{ type: 'finished', acknowledged, pending, pendingTotal: pending.length, afterMs: 31 },
});
const late = { member: 'web-2', connected: true };
const gone = { member: 'web-3', connected: false };

const hanse = (...args: readonly string[]) => runHanse(['key', ...args], { env: operated.env });
const lines = (text: string) => text.trimEnd().split('\n');

test('keys are listed with their age, their end and who has not confirmed them, cut to what can be read', async () => {
  const pending = [...pendingOf('late', 2, true), ...pendingOf('away', 25, false)];
  answer = (subset) => status(subset, subset === 'europe' ? pending : []);
  const { out, err, exitCode } = await hanse('status');
  assert.equal(exitCode, 0, err);
  const [heading, europe, asia, america, ...rest] = lines(out).map((line) =>
    line.replace(/ {2,}/g, '|'),
  );
  assert.equal(heading, 'SUBSET|MASTER|EPOCH|MADE|NEXT|MEMBERS|CONFIRMED');
  assert.equal(europe, 'europe|fra|7|3 h ago|in 21 h|40|13');
  assert.equal(asia, 'asia|sin|7|3 h ago|in 21 h|40|40');
  assert.match(america ?? '', /^america\|nyc\|/);
  assert.deepEqual(rest, [
    'europe: connected to fra, not confirmed yet: late-0, late-1',
    `europe: not connected to fra, not confirmed yet: ${Array.from({ length: 20 }, (_, i) => `away-${i}`).join(', ')} and 5 more`,
    'the key among masters is of epoch 4, made 5 h ago',
  ]);
});

test('where all have one key, who cannot prove addresses is listed, with what helps', async () => {
  const unproved = { unboundMasters: ['fra', 'sin'], unprovedMembers: ['web-2', 'web-3'] };
  answer = (subset) =>
    subset === 'america' ? status(subset) : { ...status(subset), ...unproved, shared: true };
  const { out } = await hanse('status', 'europe');
  assert.deepEqual(lines(out).slice(2, -1), [
    'europe: the certificates of fra do not bind all its addresses: "hanse master renew fra", then restart fra',
    'europe: the certificates of sin do not bind all its addresses: "hanse master renew sin", then restart sin',
    'europe: their certificates do not prove their addresses: web-2, web-3',
  ]);
  assert.equal(lines((await hanse('status', 'america')).out).length, 3);
});

test('one document has everybody by name', async () => {
  const pending = pendingOf('away', 25, false);
  answer = (subset) => status(subset, pending);
  const { out } = await hanse('status', 'asia', '--json');
  const { backboneKey } = directory();
  assert.deepEqual(JSON.parse(out), { backboneKey, subsets: [status('asia', pending)] });
});

test('a key that is due is rotated now', async () => {
  answer = (subset) => ({ ...status(subset), rotatesAtMs: nowMs - 1 });
  assert.match((await hanse('status', 'asia')).out, /^asia +sin +7 +3 h ago +now +40 +40$/m);
});

test('a subset whose master gives no answer is shown as such beside the others, and fails alone', async () => {
  answer = (subset) => (subset === 'asia' ? away : status(subset));
  const { out, exitCode } = await hanse('status');
  assert.equal(exitCode, 0);
  assert.match(out, /^asia +- +- +- +- +- +-$/m);
  assert.match(out, /^america +nyc +7 /m);
  assert.match(out, /^the master of asia gave no answer: starting$/m);
  const document = JSON.parse((await hanse('status', '--json')).out);
  assert.deepEqual(
    document.subsets.map(({ subset, error }: Record<string, string>) => [subset, error]),
    [
      ['europe', undefined],
      ['asia', 'starting'],
      ['america', undefined],
    ],
  );
  const alone = await hanse('status', 'asia');
  assert.deepEqual([alone.exitCode, alone.out], [4, '']);
  assert.match(alone.err, /^hanse: starting\n/);
  assert.equal((await hanse('status', 'mars')).exitCode, 2);
});

test('a rotation tells who has applied it, and succeeds when all who are connected have', async () => {
  answer = () => [first, applied, finished(1, [gone])];
  const { out, err, exitCode } = await hanse('rotate', 'asia', '--wait', '30s');
  assert.equal(exitCode, 0, err);
  assert.equal(
    out,
    [
      'the key of asia is new after 4 ms; asia is at epoch 8 and has 2 members, 1 of them connected',
      '  web-1 has applied it after 31 ms',
      'applied by every connected member: 1 in 31 ms',
      '  not connected, will when they come back: web-3',
      '',
    ].join('\n'),
  );
  assert.deepEqual(rotated, [['sin', 'asia', { waitMs: 30_000 }]]);
});

test('a rotation that somebody connected, or the master itself, has not applied says so', async () => {
  answer = () => [{ ...first, masterHasApplied: false }, applied, finished(1, [late, gone])];
  const { out, exitCode } = await hanse('rotate', 'asia');
  assert.equal(exitCode, 1);
  assert.match(out, /\nits master has NOT applied it: its log says why\n/);
  assert.match(out, /NOT yet applied by every connected member: 1 in 31 ms\n/);
  assert.match(out, /connected, and still to do it: web-2\n {2}not connected, [^:]*: web-3\n$/);
  answer = () => [{ ...first, members: 0, connected: 0 }, finished(0, [])];
  const empty = await hanse('rotate', 'asia');
  assert.equal(empty.exitCode, 0);
  assert.match(empty.out, /\nno member has to apply it\n$/);
});

test('all keys are rotated one after the other, once each, and as lines for programs', async () => {
  answer = () => [first, applied, finished(1, [])];
  const all = await hanse('rotate', '--all', '--json');
  assert.equal(all.exitCode, 0, all.err);
  assert.deepEqual(
    lines(all.out).map((line) => JSON.parse(line)),
    Object.keys(actingFor).flatMap((subset) =>
      [first, applied, finished(1, [])].map((step) => ({ subset, ...step })),
    ),
  );
  rotated.length = 0;
  await hanse('rotate', 'asia', 'europe', 'asia');
  assert.deepEqual(
    rotated.map(([master, subset]) => `${master} ${subset}`),
    ['sin asia', 'fra europe'],
  );
});

test('one subset out of reach keeps no other from a new key, and is a failure in part', async () => {
  answer = (subset) => (subset === 'europe' ? denied : [first, applied, finished(1, [])]);
  const { out, err, exitCode } = await hanse('rotate', 'europe', 'asia');
  assert.equal(exitCode, 1);
  assert.equal(err, 'hanse: the key of europe is NOT rotated: not you\n');
  assert.match(out, /^the key of asia is new /);
  const alone = await hanse('rotate', 'europe');
  assert.deepEqual([alone.exitCode, alone.err], [3, 'hanse: not you\n']);
});

test('a rotation whose end is not heard is no success', async () => {
  answer = () => [first];
  const { err, exitCode } = await hanse('rotate', 'asia');
  assert.equal(exitCode, 1);
  assert.match(err, /stopped telling about the new key of asia; `hanse key status asia` shows/);
});

test('what is not clear rotates nothing', async () => {
  for (const unclear of [[], ['asia', '--all'], ['asia', 'mars']]) {
    assert.equal((await hanse('rotate', ...unclear)).exitCode, 2, unclear.join(' '));
  }
  assert.deepEqual(rotated, []);
});
