import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLab, type Lab } from '../../lab/lab.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MasterMeasurement } from '../../src/api/measuring-messages.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import type { MeasurementsReply } from '../../src/api/member-measurements.ts';
import { endpointSchema } from '../../src/model/endpoint.ts';
import { parseMasterName } from '../../src/model/names.ts';
import { LabDoor } from '../support/lab/lab-door.ts';
import { readSamples } from '../support/lab/master-figures.ts';
import { type ClientSession, SessionNode } from '../support/session-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

/*
 * A member behind a NAT, and masters at several distances; kiel is in the directory and was never started.
 * The tests are told in order.
 */
let lab: Lab;
let vpn: LabVpn;
let laptop: LabMember;
const cleanup = new AsyncDisposableStack();
/** Long, because the machine may be busy with other tests. */
const slowMs = 60_000;
/** From one round of four masters to the next when they may cost 20 MB a day. */
const longestPaceMs = 75_000;
/** What timers and daemons on a busy machine add to a delay. */
const slackMs = 12;

before(async () => {
  const sites = [
    { name: 'fra-net', hosts: ['fra'] },
    { name: 'ams-net', hosts: ['ams'], uplink: { delayMs: 15 } },
    { name: 'nyc-net', hosts: ['nyc'], uplink: { delayMs: 60 } },
    { name: 'kiel-net', hosts: ['kiel'] },
    {
      ...({ name: 'home', nat: 'port-restricted', hosts: ['laptop'] } as const),
      uplink: { delayMs: 5 },
    },
    { name: 'far-net', hosts: ['far'], uplink: { delayMs: 40 } },
  ];
  lab = cleanup.use(await createLab({ topology: { sites } }));
  const masters = ['fra', 'ams', 'nyc', 'kiel'].map((host) => ({ host, subset: `of-${host}` }));
  vpn = await LabVpn.create(lab, { name: 'hanse', masters });
  const started = ['fra', 'ams', 'nyc'].map((name) => vpn.master(name));
  await Promise.all(started.map((master) => master.start()));
  laptop = await vpn.join('laptop', 'of-fra');
});
after(() => cleanup.disposeAsync());

type Measured = MeasurementsReply['memberships'][number]['masters'][number];

async function membershipOf(
  ...options: readonly string[]
): Promise<MeasurementsReply['memberships'][number]> {
  const line = ['measure', ...options, '--json', '--dir', laptop.directory];
  const { stdout } = await laptop.node.run(hanseProgram, line, { timeoutMs: slowMs });
  const [membership] = (JSON.parse(stdout) as MeasurementsReply).memberships;
  assert.ok(membership);
  return membership;
}

/** What the member has after one more round, by master. */
async function measure(): Promise<Readonly<Record<string, Measured>>> {
  const { masters } = await membershipOf('--now');
  return Object.fromEntries(masters.map((master) => [master.name, master]));
}

const shownBy = async (name: string) =>
  (await vpn.hanseJson(['member', 'show', name])) as MemberView;

function assertNear(measured: Measured | undefined, expectedMs: number): void {
  const { name, latencyMs = Number.NaN } = measured ?? {};
  const isNear = latencyMs >= expectedMs && latencyMs < expectedMs + slackMs;
  assert.ok(isNear, `${name}: ${latencyMs} ms over a way of ${expectedMs}`);
}

const hopCounter = fileURLToPath(new URL('../support/lab/hop-count-main.ts', import.meta.url));
const blockedTable = 'inet blocked';

test('latency, hops and public endpoint are those of the topology', async () => {
  // Until then only STUN gets through to ams: its control port is closed at its router.
  const rules = [
    `add table ${blockedTable}`,
    `add chain ${blockedTable} forward { type filter hook forward priority 0; }`,
    `add rule ${blockedTable} forward tcp dport 8443 reject with tcp reset`,
  ];
  await lab.node('ams-net').run('nft', ['-f', '-'], { input: `${rules.join('\n')}\n` });
  const masters = await until(
    'every master that runs is measured',
    async () => {
      const found = await measure();
      return ['fra', 'ams', 'nyc'].every((name) => found[name]?.stun === 'answers') && found;
    },
    slowMs,
  );
  for (const [name, expectedMs] of [
    ['fra', 10],
    ['ams', 40],
    ['nyc', 130],
  ] as const) {
    assertNear(masters[name], expectedMs);
    // Two routers, the core between them, and the last link.
    assert.equal(masters[name]?.hops, 4, name);
    assert.ok((masters[name]?.jitterMs ?? 99) < slackMs, `${name}: ${masters[name]?.jitterMs} ms`);
    assert.equal(masters[name]?.lost, 0, name);
    const [address] = String(masters[name]?.seenAs).split(':');
    assert.equal(address, lab.node('home').address('ipv4'));
  }
  assert.equal(masters['kiel']?.stun, 'none');
});

test('bandwidth is measured to the nearest, and a master that answers STUN only is shown as such', async () => {
  const { fra, ams } = await until(
    'the two nearest were tried',
    async () => {
      const found = await measure();
      return ['fra', 'ams'].every((name) => found[name]?.control) && found;
    },
    slowMs,
  );
  assert.deepEqual([fra?.control, ams?.control, ams?.stun], ['answers', 'fails', 'answers']);
  assert.match(String(ams?.problem), /8443/);
  const { downMbit = 0, upMbit = 0 } = fra ?? {};
  assert.ok(downMbit > 0.5 && upMbit > 0.5, `${downMbit} and ${upMbit} Mbit/s`);
  await lab.node('ams-net').run('nft', ['delete', 'table', ...blockedTable.split(' ')]);
});

test('a policy that wants it more often is followed at once, and so is its removal', async () => {
  const nextInMs = async () => ((await membershipOf()).nextRoundAtMs ?? 0) - Date.now();
  const isUsual = async () => (await nextInMs()) > 5 * 60_000;
  await until('the first round of its own is over', isUsual, slowMs);
  await using folder = await temporaryDirectory();
  const file = join(folder.path, 'policy.yaml');
  await writeFile(file, 'measuring: { intervalSeconds: 10, bytesPerDay: 20000000 }\n');
  await vpn.hanse(['placement', 'policy', 'set', file]);
  await until('a round is soon', async () => (await nextInMs()) < longestPaceMs, slowMs);
  await vpn.hanse(['placement', 'policy', 'remove', '--force']);
  await until('the usual pace', isUsual, slowMs);
});

test('the master shows what its member has reported, and that it agrees', async () => {
  const { measured } = await until(
    'the report is compared',
    async () => {
      const shown = await shownBy('laptop.of-fra');
      return shown.measured?.verdict === 'agrees' && shown;
    },
    slowMs,
  );
  await until(
    'its traffic is counted',
    async () => ((await shownBy('laptop.of-fra')).traffic?.bytes ?? 0) > 0,
    slowMs,
  );
  const own = measured?.report?.masters.find(({ name }) => name === 'fra');
  assert.ok((own?.latencyMs ?? 0) >= 10);
  assert.ok((measured?.session?.leastMs ?? 0) >= 10);
  const table = await vpn.hanse(['member', 'show', 'laptop.of-fra']);
  assert.match(table, /agrees with its session/);
  assert.match(table, /^ams +answers/m);
  const samples = await readSamples(vpn.master('fra'));
  const answered = samples.find(
    ({ name, labels }) => name === 'hanse_stun_packets_total' && labels['outcome'] === 'answered',
  );
  assert.ok((answered?.value ?? 0) >= 8);
});

test('a delay of one direction is in the round trip once', async () => {
  await lab.link('nyc-net').shape({ delayMs: 20 }, 'down');
  await until(
    'four rounds are over',
    async () => {
      const { nyc } = await measure();
      const { latencyMs = 0 } = nyc ?? {};
      return latencyMs >= 90 && latencyMs < 90 + slackMs;
    },
    slowMs,
  );
  await lab.link('nyc-net').shape({ delayMs: 60 });
});

test('a link that flaps is seen as silence, then as loss', async () => {
  await lab.link('ams-net').cut();
  const { ams } = await measure();
  assert.deepEqual([ams?.stun, ams?.latencyMs], ['silent', undefined]);
  await lab.link('ams-net').restore();
  const back = (await measure())['ams'];
  assert.equal(back?.stun, 'answers');
  assertNear(back, 40);
  assert.ok((back?.lost ?? 0) >= 3 && (back?.lost ?? 0) < (back?.sent ?? 0));
});

test('a master that has died is silent, and the others are measured as before', async () => {
  await vpn.master('nyc').kill();
  const { fra, nyc } = await measure();
  assert.deepEqual([nyc?.stun, nyc?.latencyMs], ['silent', undefined]);
  assertNear(fra, 10);
});

test('round trips, hops and the own address are measured over IPv6 as well', async () => {
  const far = lab.node('far');
  const line = [hopCounter, lab.node('fra').address('ipv6'), '3478'];
  const { stdout } = await far.run(process.execPath, line, { timeoutMs: slowMs });
  const { samples, seenAs, hops } = JSON.parse(stdout);
  assert.equal(hops, 4);
  assert.equal(seenAs.address, far.address('ipv6'));
  for (const sample of samples) assert.ok(sample >= 80 && sample < 80 + 4 * slackMs, `${sample}`);
});

test('STUN clients of others get their public address from a master, new ones and old', async () => {
  const [master, outside] = ['fra', 'home'].map((name) => lab.node(name).address('ipv4'));
  const timeoutMs = 10_000;
  // Of RFC 5389, and of RFC 3489 before it.
  const { stdout } = await laptop.node.run('turnutils_stunclient', [master ?? ''], { timeoutMs });
  assert.match(stdout, new RegExp(`reflexive addr: ${outside}:\\d+`));
  const line = ['-c', `stun ${master} 1 -v 2>&1`];
  const old = await laptop.node.run('sh', line, { timeoutMs });
  assert.match(old.stdout, new RegExp(`ok=1[^]*mappedAddr=${outside}:\\d+`));
});

/** A member that says what it likes, from behind a link of 80 ms there and back. */
async function liar(): Promise<ClientSession> {
  const target = endpointSchema.parse(`${lab.node('fra').address('ipv4')}:8443`);
  const door = cleanup.use(await LabDoor.open(lab, { from: lab.node('far'), target }));
  const node = new SessionNode('liar');
  const joined = await node.join(door.endpoint, await vpn.invite('of-fra'));
  await joined.session[Symbol.asyncDispose]();
  const session = cleanup.use(await node.connect(door.endpoint));
  session.send({ type: 'hello', appliedRevision: 0, appliedEpoch: 0, measures: true });
  await session.expect('view');
  await session.expect('candidates');
  return session;
}

test('a member that claims to be nearer than it is raises the alert, once', async () => {
  const session = await liar();
  const claim: MasterMeasurement = {
    ...{ name: parseMasterName('fra'), stun: 'answers', ageMs: 10, sent: 8, lost: 0 },
    ...{ latencyMs: 3, jitterMs: 500 },
  };
  await until(
    'the alert',
    async () => {
      session.send({ type: 'measurements', masters: [claim] });
      return (await shownBy('liar.of-fra')).measured?.isAlert;
    },
    slowMs,
  );
  const { measured } = await shownBy('liar.of-fra');
  assert.equal(measured?.verdict, 'too-near');
  assert.ok((measured?.session?.leastMs ?? 0) >= 80, String(measured?.session?.leastMs));
  assert.match(await vpn.hanse(['member', 'show', 'liar.of-fra']), /CLAIMS LESS .* \(alert/);
  const log = await vpn.master('fra').process.output();
  const alerts = log.split('\n').filter((line) => line.includes('another latency'));
  assert.equal(alerts.length, 1);
  assert.match(String(alerts[0]), /"member":"liar".*"verdict":"too-near"/);
  const samples = await readSamples(vpn.master('fra'));
  const count = samples.find(({ name }) => name === 'hanse_measurement_alerts_total');
  assert.equal(count?.value, 1, 'the honest member is no alert');
});
