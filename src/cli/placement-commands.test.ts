import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { vpnView } from '../../test/support/test-vpn.ts';

/*
 * Three masters with a subset each. web-1 is in asia and next to fra; db-1 is in asia too and has
 * reported nothing; app-1 is in europe, where it should be.
 */
const actingFor = { asia: 'sin', europe: 'fra', north: 'ams' } as const;
const nowMs = Date.now();
let operated: OperatedMasters;
/** Subsets whose masters give no answer. */
const away = new Set<string>();
/** How many members every subset says that it counts; nothing, as masters of before do, where it is undefined. */
let counted: number | undefined;
/** The policy of the VPN; undefined where there is none. */
let stored: string | undefined;
let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

before(async () => {
  folder = await temporaryDirectory();
  operated = await startOperatedMasters({ names: ['ams', 'fra', 'sin'], answer: serve });
});
after(async () => {
  await operated[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});
beforeEach(() => {
  away.clear();
  counted = undefined;
  stored = undefined;
});

function serve(master: string, request: ServedRequest): unknown {
  if (request.endpoint.path === '/v1/directory') return directory();
  if (request.endpoint.path === '/v1/placement/policy') {
    if (stored === undefined) return { revision: 0 };
    return { revision: 7, policy: { text: stored, changedAtMs: nowMs, changedBy: 'operator:ada' } };
  }
  const { subset, name } = request.params as { readonly subset: string; readonly name?: string };
  if (away.has(subset)) {
    return new Refusal(503, { code: 'unavailable', message: 'starting', retryable: true });
  }
  const members = rolls[subset]?.(master) ?? [];
  if (request.endpoint.path.endsWith('/members')) {
    const roll = members.map(({ measured: _measured, ...member }) => member);
    return { members: roll, total: members.length, ...(counted === undefined ? {} : { counted }) };
  }
  const found = members.find((member) => member.name === name);
  return found ?? new Refusal(404, { code: 'not-found', message: 'nobody', retryable: false });
}

const directory = () => ({
  vpn: vpnView(nowMs),
  masters: operated.masters,
  subsets: Object.entries(actingFor).map(([name, acting]) => ({
    ...{ name, home: acting, acting, backups: [], blocks: [] },
  })),
});

interface Report {
  readonly masters: readonly object[];
  readonly country?: string;
}

const member = (name: string, subset: keyof typeof actingFor, report?: Report) => ({
  ...{ name, subset, state: 'active', ipv4: '100.64.0.2', ipv6: 'fd00:1:2:1::2' },
  ...{ identityKey: 'A'.repeat(43), keys: { acting: `${'A'.repeat(43)}=` } },
  ...{ joinedAtMs: nowMs, certificateEndsAtMs: nowMs, alsoIn: [], backups: [] },
  ...{ acting: actingFor[subset], order: [actingFor[subset]] },
  ...(name === 'app-1' ? {} : { isNamedByInvite: true }),
  session: { sinceMs: nowMs, remote: '203.0.113.7:5', behindByChanges: false, directTo: [] },
  measured: {
    ...(report ? { report: { ageMs: 192_000, masters: report.masters } } : {}),
    ...{ verdict: report ? 'agrees' : 'unknown', isAlert: false },
    place: {
      ...(report?.country ? { country: report.country } : {}),
      ...(report ? { position: { latitude: 48.86, longitude: 2.35 } } : {}),
    },
  },
});

const to = (name: string, latencyMs: number, part: object = {}) => ({
  ...{ name, stun: 'answers', sent: 32, lost: 0, latencyMs, jitterMs: 0.25, hops: 6, ...part },
});
const near = [to('fra', 12.1, { downMbit: 21, upMbit: 18 }), to('ams', 19.8, { control: 'fails' })];

const rolls: Readonly<Record<string, (master: string) => readonly ReturnType<typeof member>[]>> = {
  asia: () => [
    member('db-1', 'asia'),
    member('web-1', 'asia', { masters: [...near, to('sin', 168.4)], country: 'FR' }),
  ],
  europe: () => [
    {
      ...member('app-1', 'europe', { masters: near, country: 'DE' }),
      traffic: { bytes: 1e8, overMs: 7_200_000 },
    },
  ],
  north: () => [],
};

const policyText = `
jurisdictions:
  unknown: allow
places:
  masters:
    fra: { latitude: 50.11, longitude: 8.68, site: fra-1 }
    sin: { latitude: 1.35, longitude: 103.82 }
backups: { count: 1 }
`;

async function hanse(
  [command, ...rest]: readonly [string, ...string[]],
  policy = policyText,
): Promise<Awaited<ReturnType<typeof runHanse>>> {
  const file = join(folder.path, 'policy.yaml');
  await writeFile(file, policy);
  const line = ['placement', command, ...rest, '--policy', file];
  return runHanse(line, { env: operated.env });
}

const squeezed = (text: string) =>
  text.split('\n').map((line) => line.trim().replace(/ {2,}/g, '|'));

test('a member’s candidates are explained: every criterion, what excludes one, the backups', async () => {
  const { out, err, exitCode } = await hanse(['explain', 'web-1.asia']);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(squeezed(out).slice(0, 17), [
    'member|web-1.asia',
    'measured|3 min 12 s ago',
    'decision|move to europe (fra): better by the hysteresis',
    'second best|asia (sin): 156.3 points worse',
    'backups|sin (168.9)',
    '',
    '1. europe (fra): 12.6 points',
    'CRITERION|VALUE|WEIGHT|POINTS',
    'latencyMs|12.1 ms|1|12.1',
    'jitterMs|0.25 ms|2|0.5',
    'lossPercent|0 %|20|0.0',
    'hops|6 hops|0|0.0',
    'asPathLength|assumed 10 systems|0|0.0',
    'bandwidthMbit|18 Mbit/s|0|0.0',
    'distanceKm|477.75 km|0|0.0',
    'costPer30Days|0 per 30 days|0|0.0',
    '',
  ]);
  assert.match(out, /\n2\. asia \(sin\): 168\.9 points\n/);
  assert.match(
    out,
    /\nnorth \(ams\): excluded\n {2}it answers probes, but its control port does not answer\nCRITERION/,
  );
});

test('an explanation for programs has the same in numbers', async () => {
  const { out } = await hanse(['explain', 'web-1', '--json']);
  const { member: name, measuredAgeMs, isAlert, kind, reason, ...decision } = JSON.parse(out);
  assert.deepEqual(
    [name, measuredAgeMs, isAlert, kind, reason],
    ['web-1.asia', 192_000, false, 'placed', 'better'],
  );
  assert.deepEqual([decision.chosen.subset, decision.secondBest.subset], ['europe', 'asia']);
  const [latency] = decision.ranking[0].criteria;
  assert.deepEqual(latency, {
    ...{ criterion: 'latencyMs', unit: 'ms', value: 12.1 },
    ...{ isAssumed: false, weight: 1, points: 12.1 },
  });
  assert.deepEqual(decision.excluded[0].because, [{ kind: 'not-serving' }]);
  assert.deepEqual(decision.backups[0].master, 'sin');
});

test('what a member costs is by its counted traffic, or the policy’s where less than an hour is', async () => {
  const priced = 'jurisdictions: { unknown: allow }\nprices: { otherwisePerGb: 2 }\n';
  const costOf = (out: string) => squeezed(out).find((line) => line.startsWith('costPer30Days'));
  const counted = await hanse(['explain', 'app-1'], priced);
  assert.match(counted.out, /\ntraffic +95 MiB in 2 h, 36 GB in 30 days\n/);
  assert.equal(costOf(counted.out), 'costPer30Days|72 per 30 days|0|0.0');
  const assumed = await hanse(['explain', 'web-1'], priced);
  assert.doesNotMatch(assumed.out, /traffic/);
  assert.equal(costOf(assumed.out), 'costPer30Days|20 per 30 days|0|0.0');
});

test('the length of AS paths is by the operator’s links, between the systems of member and master', async () => {
  const links = join(folder.path, 'as-rel.txt');
  await writeFile(links, '64496|64500|-1\n64496|64501|-1\n');
  const policy = [
    'jurisdictions: { unknown: allow }',
    'criteria: { asPathLength: { weight: 3 } }',
    'places:',
    '  masters: { fra: { system: 64501 } }',
    '  members: { web-1: { system: 64500 } }',
  ].join('\n');
  const lengths = (out: string) => squeezed(out).filter((line) => line.startsWith('asPathLength'));
  const known = await hanse(['explain', 'web-1', '--as-links', links], policy);
  assert.equal(known.exitCode, 0, known.err);
  assert.deepEqual(lengths(known.out), [
    'asPathLength|2 systems|3|6.0',
    'asPathLength|assumed 10 systems|3|30.0',
    'asPathLength|assumed 10 systems|3|30.0',
  ]);
  const plan = await hanse(['plan', '--as-links', links], policy);
  assert.match(plan.out, /^web-1\.asia +sin +europe \(fra\) +better +18\.6 /m);
  const wrong = await hanse(['plan', '--as-links', join(folder.path, 'policy.yaml')], policy);
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.err, /policy\.yaml:1: expected SYSTEM\|SYSTEM\|RELATION/);
});

test('a full master is told from what its subsets have, a law from where a member’s session comes', async () => {
  const full = await hanse(['explain', 'web-1'], `${policyText}capacities: { fra: 1 }\n`);
  assert.match(full.out, /\neurope \(fra\): excluded\n {2}it is full with 1 members\n/);
  assert.match(full.out, /\ndecision +stays in asia \(sin\)/);
  counted = 0;
  const moved = await hanse(['explain', 'web-1'], `${policyText}capacities: { fra: 1 }\n`);
  assert.match(moved.out, /\ndecision +move to europe \(fra\)/, 'its only member counts elsewhere');
  const strict = 'jurisdictions: { rules: [{ members: [FR], within: [FR] }] }\n';
  const nowhere = await hanse(['explain', 'web-1'], strict);
  assert.match(nowhere.out, /\ndecision +no subset can have it\n/);
  assert.match(nowhere.out, /traffic must stay within FR, and master fra is nobody knows where/);
});

test('a member that has reported nothing is said to have measured nothing', async () => {
  const { out, exitCode } = await hanse(['explain', 'db-1']);
  assert.equal(exitCode, 0);
  assert.match(out, /\nmeasured +nothing: it has no session, or has reported nothing in it\n/);
  assert.match(out, /\nasia \(sin\): excluded\n {2}it answers no probe\n/);
});

test('a policy that is wrong is refused before anybody is asked, one that is not given is asked for', async () => {
  const wrong = await hanse(['explain', 'web-1'], 'pins: { web-1: {} }\n');
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.err, /policy\.yaml:1:16: pins\.web-1: say master, subset or both\n/);
  const ask = () => runHanse(['placement', 'explain', 'web-1', '--json'], { env: operated.env });
  const [first] = JSON.parse((await ask()).out).ranking[0].criteria;
  assert.deepEqual([first.criterion, first.weight], ['latencyMs', 1]);
  stored = 'criteria: { latencyMs: { weight: 3 } }\n';
  const [weighed] = JSON.parse((await ask()).out).ranking[0].criteria;
  assert.equal(weighed.weight, 3);
  stored = 'criteria: { speed: {} }\n';
  const { exitCode, err } = await ask();
  assert.equal(exitCode, 2);
  assert.match(err, /the stored policy:1:20: criteria\.speed: there is no such key/);
});

test('a plan says who would move where and why, and who has measured nothing', async () => {
  const { out, err, exitCode } = await hanse(['plan']);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(squeezed(out), [
    'MEMBER|NOW WITH|PLANNED|WHY|SCORE|BETTER BY|MINUTE',
    'web-1.asia|sin|europe (fra)|better|12.6|156.3|1',
    '',
    'members|3',
    'moves|1, in 1 min',
    'score|25.2 in all, better by 156.3',
    'not measured|db-1.asia',
    '',
  ]);
  const { moves, unmeasured, unplaced, totals, missing } = JSON.parse(
    (await hanse(['plan', '--json'])).out,
  );
  assert.equal(moves.length, 1);
  assert.deepEqual(moves[0].member, { name: 'web-1', subset: 'asia' });
  assert.deepEqual(moves[0].to, { subset: 'europe', master: 'fra' });
  assert.deepEqual([moves[0].reason, moves[0].minute], ['better', 1]);
  assert.deepEqual(unmeasured, [{ name: 'db-1', subset: 'asia' }]);
  assert.deepEqual([unplaced, missing, totals.members], [[], [], 3]);
});

test('a plan with which everybody stays, and one that has no place for somebody', async () => {
  const pinned = await hanse(['plan'], `${policyText}pins: { web-1: { subset: asia } }\n`);
  assert.match(pinned.out, /^nobody would move\n\nmembers +3\nmoves +0\n/);
  const strict = await hanse(['plan'], `${policyText}criteria: { latencyMs: { atMost: 5 } }\n`);
  assert.match(
    strict.out,
    /\nno place +app-1\.europe \(no-candidate\), web-1\.asia \(no-candidate\)\n/,
  );
});

test('what a policy has for a name is not for whoever has taken it, which is said', async () => {
  const policy = [
    'jurisdictions: { unknown: allow, rules: [{ members: [DE], within: [DE] }] }',
    'places: { masters: { fra: { jurisdiction: DE } }, members: { app-1: { jurisdiction: SE } }, directory: DE }',
    'pins: { app-1: { subset: asia }, web-1: { subset: asia } }',
  ].join('\n');
  const plan = await hanse(['plan'], policy);
  assert.match(plan.out, /^nobody would move\n/);
  assert.match(plan.out, /\nnot by name +app-1\.europe \(pin, place\)\n/);
  const { withheld } = JSON.parse((await hanse(['plan', '--json'], policy)).out);
  assert.deepEqual(withheld, [
    { member: { name: 'app-1', subset: 'europe' }, what: ['pin', 'place'] },
  ]);
  const explained = squeezed((await hanse(['explain', 'app-1'], policy)).out);
  assert.ok(
    explained.includes(
      'not by name|the policy’s pin and place for app-1: no invite has named this member so, it says it itself',
    ),
    explained.join('\n'),
  );
  assert.ok(explained.includes('asia (sin): excluded'), 'the law is that of where it is');
});

test('a plan shows what the loss of a master would move, beside what is planned with it', async () => {
  const { out, err, exitCode } = await hanse(['plan', '--without', 'sin']);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(squeezed(out), [
    'MEMBER|WITH|PLANNED|WHY|SCORE|BETTER BY|MINUTE',
    'web-1.asia|nobody|europe (fra)|lost|12.6|-|1',
    '',
    'members|3',
    'moves|1, in 1 min',
    'score|25.2 in all, better by 0.0',
    'not measured|db-1.asia',
    'taken over|asia from sin by nobody',
    'as it is|1 move, 1 of them as here; score 25.2 in all',
    '',
  ]);
  const { takeovers, present, totals } = JSON.parse(
    (await hanse(['plan', '--without', 'sin', '--json'])).out,
  );
  assert.deepEqual(takeovers, [{ subset: 'asia', from: 'sin' }]);
  assert.deepEqual([present.moves[0].reason, totals.moves], ['better', 1]);
});

test('a plan shows whom a new subset would take, and says where nobody can be planned', async () => {
  const more = await hanse(['plan', '--with', 'hesse=fra', '--without', 'ams']);
  assert.match(more.out, /\nnew +hesse \(fra\)\n/);
  const far = await hanse(['plan', '--with', 'orient=sin']);
  assert.equal(far.err, '');
  const refused = await hanse(['plan', '--with', 'paris=par']);
  assert.equal(refused.exitCode, 2);
  assert.match(refused.err, /^hanse: there is no master par; the VPN has: ams, fra, sin/);
});

test('backups are planned for each subset, with the command that makes it so', async () => {
  const { out, err, exitCode } = await hanse(['backups']);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(squeezed(out), [
    'SUBSET|HOME|BACKUPS NOW|PLANNED|WHY|MEMBERS|MEASURED',
    'asia|sin|none|fra|number|2|1',
    'europe|fra|none|none|stays|1|1',
    'north|ams|none|none|unknown|0|0',
    '',
    'hanse subset backups asia --set fra',
    '',
  ]);
  const { subsets, missing } = JSON.parse((await hanse(['backups', '--json'])).out);
  assert.deepEqual(
    [subsets[0].planned, subsets[0].command, missing],
    [['fra'], 'hanse subset backups asia --set fra', []],
  );
  assert.equal('command' in subsets[1], false);
});

test('one subset’s backups are explained: every master, what excludes one, who acts meanwhile', async () => {
  const { out, err, exitCode } = await hanse(['backups', 'asia']);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(squeezed(out), [
    'subset|asia',
    'home|sin',
    'members|2, 1 of them have measured',
    'backups now|none',
    'planned|fra: as many as the policy wants, or as there are',
    '',
    'MASTER|SCORE|SHARES|OUT OF REACH|TOTAL',
    'fra|12.6|-|0|12.6',
    '',
    'ams: excluded',
    'it answers probes, but its control port does not answer (1 member)',
    '',
    'hanse subset backups asia --set fra',
    '',
  ]);
  const unknown = await hanse(['backups', 'atlantis']);
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.err, /there is no subset atlantis; the VPN has: asia, europe, north/);
  away.add('asia');
  const missing = await hanse(['backups', 'asia', '--json']);
  assert.deepEqual(JSON.parse(missing.out), { subsets: [], missing: ['asia'] });
});

test('a subset whose masters give no answer is missing from a plan, and said to be', async () => {
  away.add('europe');
  const { out, err, exitCode } = await hanse(['plan', '--json']);
  assert.equal(exitCode, 0, err);
  assert.match(err, /^hanse: what europe knows of members is missing: /m);
  const { missing, totals } = JSON.parse(out);
  assert.deepEqual([missing, totals.members], [['europe'], 2]);
});

test('a map has masters and members at their places, and says who is nowhere', async () => {
  const { out, err, exitCode } = await hanse(['map']);
  assert.equal(exitCode, 0, err);
  assert.match(out, /^<svg xmlns=.*\n<title id="title">corp<\/title>\n/);
  assert.match(out, /<title>web-1: sin, 168\.4 ms<\/title>/);
  assert.match(out, /<title>app-1: fra, 12\.1 ms<\/title>/);
  assert.equal(out.split('class="link"').length - 1, 2);
  assert.match(err, /^hanse: not on the map, .*: ams, db-1\.asia\n$/);
});

test('what the policy declares wins over what was looked up, on a map in a file too', async () => {
  const file = join(folder.path, 'corp.svg');
  const declared = policyText.replace(
    'places:',
    'places:\n  members: { web-1: { latitude: 0, longitude: 0 } }',
  );
  const { out, exitCode, err } = await hanse(['map', '--output', file], declared);
  assert.deepEqual([out, exitCode], ['', 0], err);
  const nowhere = await hanse(['map', '--output', join(folder.path, 'no', 'corp.svg')]);
  assert.equal(nowhere.exitCode, 2);
  assert.match(nowhere.err, /^hanse: --output .*corp\.svg cannot be written: ENOENT/);
  assert.match(await readFile(file, 'utf8'), /cx="360" cy="180" r="1\.8"><title>web-1: sin/);
});
