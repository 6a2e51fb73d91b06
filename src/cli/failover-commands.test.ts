import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { knownMaster, vpnView } from '../../test/support/test-vpn.ts';

/*
 * Europe is at home with fra, which is dead, so ams acts and lon backs it up; asia is sin's, which
 * is drained.
 */
const alive = ['ams', 'lon', 'sin'] as const;
const nowMs = Date.now();
const agoMs = (seconds: number) => nowMs - seconds * 1_000;
const asked: string[] = [];
let answer: (master: string, request: ServedRequest) => unknown;
let operated: OperatedMasters;

before(async () => {
  operated = await startOperatedMasters({
    names: alive,
    answer: serve,
    inProfile: (masters) => [knownMaster('fra', 9), ...masters],
  });
});
after(() => operated[Symbol.asyncDispose]());
beforeEach(() => {
  asked.length = 0;
});

const known = () => [knownMaster('fra', 9), ...operated.masters];

function serve(master: string, request: ServedRequest): unknown {
  const { method, path } = request.endpoint;
  if (path === '/v1/directory') return directory();
  if (path === '/v1/status') return status(master);
  asked.push(`${master} ${method} ${path}`);
  return answer(master, request);
}

const directory = () => ({
  vpn: vpnView(nowMs),
  masters: known().map((master) =>
    master.name === 'sin' ? { ...master, drainedSinceMs: agoMs(300) } : master,
  ),
  subsets: [
    {
      name: 'europe',
      home: 'fra',
      acting: 'ams',
      actingSinceMs: agoMs(90),
      change: 'took-over',
      backups: ['ams', 'lon'],
      blocks: [
        { prefixes: ['100.64.0.0/21', 'fd00:1:2:1::/96'], order: ['ams', 'lon', 'fra'] },
        { prefixes: ['100.64.8.0/21', 'fd00:1:2:1:0:1::/96'], order: ['lon', 'ams', 'fra'] },
      ],
      region: 'eu',
    },
    {
      name: 'asia',
      home: 'sin',
      acting: 'sin',
      actingSinceMs: agoMs(9_000),
      change: 'started',
      backups: [],
      blocks: [{ prefixes: ['100.64.16.0/21'], order: ['sin'] }],
    },
  ],
});

const status = (master: string) => ({
  master,
  software: '0.2.0',
  startedAtMs: agoMs(7_200),
  wireguard: { backend: 'wireguard-go', version: '0.0.20231211' },
  store: 'sqlite',
  watches: ['directory/'],
  subsets: [],
  masters: [{ name: 'fra', isAlive: false, sinceMs: agoMs(master === 'ams' ? 93 : 92) }],
  received: [],
  refused: [],
});

const hanse = (...args: readonly string[]) => runHanse(args, { env: operated.env });
const lines = (text: string) => text.trimEnd().split('\n');

test('masters are listed with who is alive, since when, drained, and what they act for', async () => {
  const { out, exitCode } = await hanse('master', 'list');
  assert.equal(exitCode, 0);
  const table = lines(out).map((line) =>
    line.replace(/127\.0\.0\.1:\d+/, 'x').replace(/ {2,}/g, '|'),
  );
  assert.equal(table[0], 'MASTER|CONTROL|ALIVE|DRAINED|ACTS FOR|BACKS UP|LAST FAILOVER');
  assert.match(table[1] ?? '', /^fra\|x\|NO, 1 min \d+ s\|-\|-\|europe\|-$/);
  assert.match(
    table[2] ?? '',
    /^ams\|x\|yes, 2 h\|-\|europe\|-\|took-over europe 1 min \d+ s ago$/,
  );
  assert.match(table[3] ?? '', /^lon\|x\|yes, 2 h\|-\|-\|europe\|-$/);
  assert.match(table[4] ?? '', /^sin\|x\|yes, 2 h\|5 min( \d+ s)?\|asia\|-\|-$/);
  assert.match(table[5] ?? '', /^fra gave no answer: /);
  const { masters } = JSON.parse((await hanse('master', 'list', '--json')).out);
  assert.deepEqual(
    masters.map(({ name, isAlive, sinceMs }: Record<string, unknown>) => [name, isAlive, sinceMs]),
    [
      ['fra', false, agoMs(93)],
      ['ams', true, agoMs(7_200)],
      ['lon', true, agoMs(7_200)],
      ['sin', true, agoMs(7_200)],
    ],
  );
});

test('subsets are listed with their home where another master acts, and with their region', async () => {
  const { out } = await hanse('subset', 'list');
  const [, europe, asia] = lines(out).map((line) => line.replace(/ {2,}/g, '|'));
  assert.match(europe ?? '', /^europe\|ams \(home fra\)\|ams, lon\|eu\|100\.64\.0\.0\/21, /);
  assert.equal(asia, 'asia|sin|-|-|100.64.16.0/21');
});

test('a subset is shown with who acts, since when and why, and the order of each block', async () => {
  const { out } = await hanse('subset', 'show', 'europe');
  assert.match(out, /^subset +europe\nacting +ams, took-over 1 min \d+ s ago\nhome +fra\n/);
  assert.match(out, /\nregion +eu\n\nBLOCK +MASTERS IN THEIR ORDER\n/);
  assert.match(out, /\n100\.64\.8\.0\/21, fd00:1:2:1:0:1::\/96 +lon, ams, fra\n$/);
  const backups = await hanse('subset', 'backups', 'europe', '--json');
  assert.deepEqual(JSON.parse(backups.out).blocks, directory().subsets[0]?.blocks);
  const unknown = await hanse('subset', 'show', 'mars');
  assert.equal(unknown.exitCode, 2);
  assert.equal(unknown.err, 'hanse: there is no subset mars; the VPN has: europe, asia\n');
});

const drained = [
  { type: 'handed-over', subset: 'europe', to: 'lon', afterMs: 12 },
  { type: 'sessions', left: 40, afterMs: 200 },
  { type: 'finished', kept: 0, sessions: 0, afterMs: 900 },
];

test('a drain tells its progress beside the result, and is asked of the master that is named', async () => {
  answer = (_, { body }) => {
    assert.deepEqual(body, { waitMs: 5_000 });
    return drained;
  };
  const { out, err, exitCode } = await hanse('master', 'drain', 'ams', '--wait', '5s');
  assert.equal(exitCode, 0, err);
  assert.equal(out, '');
  assert.equal(
    err,
    [
      'europe is handed over to lon after 12 ms',
      '  40 sessions left after 200 ms',
      'ams is empty after 900 ms; it takes nothing until `hanse master return ams`',
      '',
    ].join('\n'),
  );
  assert.deepEqual(asked, ['ams POST /v1/masters/:master/drain']);
  const json = await hanse('master', 'drain', 'ams', '--wait', '5s', '--json');
  assert.deepEqual(
    lines(json.out).map((line) => JSON.parse(line)),
    drained,
  );
});

test('a drain that keeps something, or whose end is not heard, exits with 1', async () => {
  answer = () => [
    { type: 'kept', subset: 'europe', reason: 'no backup is ready: lon is out of reach' },
    { type: 'finished', kept: 1, sessions: 3, afterMs: 900 },
  ];
  const kept = await hanse('master', 'drain', 'ams');
  assert.equal(kept.exitCode, 1);
  assert.match(kept.err, /^europe stays for now: no backup is ready: lon is out of reach\n/);
  assert.match(
    kept.err,
    /ams is NOT empty yet: it still acts for 1 subsets and still has 3 sessions/,
  );
  answer = () => drained.slice(0, 1);
  const cut = await hanse('master', 'drain', 'ams');
  assert.equal(cut.exitCode, 1);
  assert.match(cut.err, /ams stopped telling how its drain goes/);
});

test('a return tells which subsets came back, and exits with 1 when one did not', async () => {
  answer = () => ({ subsets: [{ subset: 'asia', returned: true }] });
  const all = await hanse('master', 'return', 'sin');
  assert.deepEqual([all.exitCode, all.err], [0, 'sin is drained no more\n']);
  assert.match(all.out, /^SUBSET +RETURNED\nasia +yes\n$/);
  const reason = 'lon does not answer';
  answer = () => ({ subsets: [{ subset: 'asia', returned: false, reason }] });
  const some = await hanse('master', 'return', 'sin');
  assert.equal(some.exitCode, 1);
  assert.match(some.out, /asia +NO: lon does not answer\n$/);
});

const record = (subset: string, from: string | undefined, to: string, secondsAgo: number) => ({
  version: 1,
  subset,
  ...(from ? { from } : {}),
  to,
  change: from ? 'took-over' : 'started',
  noticedAtMs: agoMs(secondsAgo),
  takenAtMs: agoMs(secondsAgo) + 4,
  actingAtMs: agoMs(secondsAgo) + 21,
});

test('the history of all subsets is one, newest first, told by whoever serves each', async () => {
  answer = (master) =>
    master === 'sin'
      ? { failovers: [record('asia', undefined, 'sin', 500)] }
      : {
          failovers: [record('europe', 'fra', 'ams', 90), record('europe', undefined, 'fra', 600)],
        };
  const { out } = await hanse('failover', 'history', '--json');
  const { failovers } = JSON.parse(out);
  assert.deepEqual(
    failovers.map(({ subset, to }: Record<string, string>) => `${subset} ${to}`),
    ['europe ams', 'asia sin', 'europe fra'],
  );
  const one = await hanse('failover', 'history', '--subset', 'europe', '--limit', '1');
  assert.match(
    one.out,
    /^TIME +SUBSET +CHANGE +FROM +TO +TOOK\n[^ ]+Z +europe +took-over +fra +ams +21 ms\n$/,
  );
});

const member = (name: string) => ({
  name,
  subset: 'europe',
  state: 'active',
  ipv4: '100.64.8.2',
  ipv6: 'fd00:1:2:1:0:1:0:2',
  identityKey: 'A'.repeat(43),
  keys: { acting: 'qGdpIVF4hEaGFCqCNB2pkwvuBb0yK5sXkPEwVjCxLlE=' },
  joinedAtMs: nowMs,
  certificateEndsAtMs: nowMs,
  alsoIn: [],
  acting: 'ams',
  backups: ['ams', 'lon'],
  order: ['lon', 'ams', 'fra'],
});
const session = (secondsAgo: number) => ({
  session: { sinceMs: agoMs(secondsAgo), remote: '192.0.2.7:4711', behindByChanges: false },
});
const tunnel = { handshakeAgeMs: 3_000, receivedBytes: 10, sentBytes: 20 };

test('a member is shown with its masters in their order, and with whom its session is', async () => {
  answer = (master) =>
    master === 'lon'
      ? { ...member('web-1'), ...session(60), tunnel }
      : { ...member('web-1'), tunnel: { ...tunnel, receivedBytes: 0 } };
  const { out } = await hanse('member', 'show', 'web-1.europe');
  assert.match(out, /\nacting master +ams\nits backups +lon, then fra\n/);
  assert.match(out, /\nsession +with lon since .* from 192\.0\.2\.7:4711\nup to date +yes\n/);
  const table = lines(out)
    .slice(-4)
    .map((line) => line.replace(/ {2,}/g, '|'));
  assert.equal(table[0], 'MASTER|ROLE|SESSION|HANDSHAKE|ENDPOINT|RECEIVED|SENT');
  assert.match(table[1] ?? '', /^lon\|backup\|1 min( \d+ s)?\|3 s ago\|-\|10 B\|20 B$/);
  assert.equal(table[2], 'ams|acting|no|3 s ago|-|0 B|20 B');
  assert.equal(table[3], 'fra|backup|no answer|never|-|-|-');
  const json = JSON.parse((await hanse('member', 'show', 'web-1.europe', '--json')).out);
  assert.equal(json.sessionWith, 'lon');
  assert.deepEqual(
    json.masters.map(({ name, role }: Record<string, string>) => `${name} ${role}`),
    ['lon backup', 'ams acting', 'fra backup'],
  );
});

test('members are listed with sessions of all masters, and who gave no answer is said', async () => {
  const roll = (one: object, two: object) => ({
    members: [
      { ...member('web-1'), ...one },
      { ...member('web-2'), ...two },
    ],
    total: 2,
  });
  answer = (master) => (master === 'lon' ? roll(session(60), {}) : roll(session(600), session(30)));
  const { out, err } = await hanse('member', 'list', '--subset', 'europe');
  const [, web1, web2] = lines(out).map((line) => line.replace(/ {2,}/g, '|'));
  assert.match(web1 ?? '', /\|1 min( \d+ s)?\|lon\|/);
  assert.match(web2 ?? '', /\|\d+ s\|ams\|/);
  assert.match(err, /^hanse: sessions of europe with fra are missing: /);
});

test('while nobody acts a listing says what each master said', { timeout: 60_000 }, async () => {
  const notActing = { code: 'not-acting', message: 'nobody acts for europe', retryable: true };
  answer = () => new Refusal(421, notActing);
  const { exitCode, err } = await hanse('invite', 'list', '--subset', 'europe');
  assert.equal(exitCode, 4);
  assert.match(err, /^hanse: no master of europe did it; each was asked and said:\n/);
  assert.match(err, /\n {2}ams: nobody acts for europe\n/);
  assert.match(err, /\n {2}It may work when you try again\.\n$/);
});
