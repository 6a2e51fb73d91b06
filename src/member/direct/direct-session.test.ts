import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateBed } from '../../../test/support/certificate-bed.ts';
import { certifiedMember } from '../../../test/support/certified-member.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MemoryHost } from '../../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../../test/support/scripted-master.ts';
import { until } from '../../../test/support/until.ts';
import type { IntroduceMessage } from '../../api/direct-messages.ts';
import { localMetricsPath } from '../../api/member-local.ts';
import type { HelloMessage, JoinMessage, View } from '../../api/messages.ts';
import { memberLinkLocal } from '../../core/addressing.ts';
import { parseMemberName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';

const rendezvousPort = 51_999;
const peerIpv6 = parseAddress('fd12:3456:789a:1::3');

/** A member that has joined with revision 5 at a master that introduces members. */
class Bed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly host = new MemoryHost();
  readonly master: ScriptedMaster;
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();
  member!: RunningMember;
  session!: ScriptedSession;
  joined!: JoinMessage;
  hello!: HelloMessage;
  view!: View;
  peerKey!: WireguardPublicKey;
  introduction!: IntroduceMessage;

  private constructor(master: ScriptedMaster, directory: string) {
    this.master = master;
    this.directory = directory;
  }

  static async start(): Promise<Bed> {
    const certificates = await CertificateBed.create();
    const master = await ScriptedMaster.start(certificates, { rendezvousPort });
    const directory = await memberDirectory();
    const bed = new Bed(master, directory.path);
    bed.#stack.use(directory);
    bed.#stack.use(master);
    bed.#stack.defer(() => bed.member[Symbol.asyncDispose]());
    bed.host.networkAddresses = () => [
      { interfaceName: 'eth0', address: parseAddress('192.0.2.20') },
    ];
    await bed.#join();
    await bed.#meetBela();
    return bed;
  }

  async #join(): Promise<void> {
    const join = { token: await this.master.invite(), name: parseMemberName('web-1') };
    this.member = new RunningMember({ directory: this.directory, join }, this);
    this.session = await this.master.session();
    this.joined = await this.session.receive('join');
    const admission = await this.master.admission(this.session, this.joined);
    this.view = admission.view;
    this.session.send(admission);
    await this.session.receive('acknowledge');
    this.hello = await this.session.receive('hello');
  }

  async #meetBela(): Promise<void> {
    const { key, name, chain } = await certifiedMember(this.master.bed, 'east', 'bela');
    this.peerKey = key;
    this.introduction = {
      ...{ type: 'introduce', name, chain },
      ...{ ipv4: parseAddress('100.64.0.3'), ipv6: peerIpv6 },
      ...{ candidates: ['198.51.100.7:40001'], isFirst: true },
    };
  }

  get interface() {
    return this.host.interfaces.find(({ listenPort }) => listenPort !== undefined);
  }

  peer(key: WireguardPublicKey) {
    return this.interface?.peers.find(({ publicKey }) => publicKey === key);
  }

  get masterKey(): WireguardPublicKey | undefined {
    return this.host.interfaces[0]?.peers[0]?.publicKey;
  }

  presharedKey(key: View['key'], publicKey: WireguardPublicKey) {
    return derivePresharedKey({ ...key, publicKeys: [this.joined.keys.acting, publicKey] });
  }

  /** Bela answers what it is asked. */
  async direct(): Promise<void> {
    const linkLocal = memberLinkLocal(peerIpv6);
    this.host.onProbe = ({ kind }, to) => {
      if (kind !== 'ask' || to !== linkLocal) return;
      queueMicrotask(() => this.host.hearProbe({ kind: 'answer', sequence: 0 }, linkLocal));
    };
    this.session.send(this.introduction);
    await until('a direct path', async () => {
      this.clock.advance(50);
      return (this.interface?.routes.length ?? 0) > 0;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const stored = (bed: Bed, file: string) =>
  readFile(join(bed.directory, 'memberships', 'hansa.east', file), 'utf8');

test('after a join a member says where it can be reached, on a port that it keeps', async () => {
  await using bed = await Bed.start();
  const { directPort, chain } = JSON.parse(await stored(bed, 'membership.json'));
  const reached = { port: 40_001, addresses: ['192.0.2.20'] };
  assert.deepEqual(bed.hello.direct, { ...reached, peers: [], chain });
  assert.equal(directPort, 40_001);
  assert.equal(bed.interface, undefined, 'the interface is made on demand');
});

test('a hello is said again when the machine has other addresses', async () => {
  await using bed = await Bed.start();
  bed.host.networkAddresses = () => [
    { interfaceName: 'wlan0', address: parseAddress('198.51.100.20') },
    { interfaceName: 'hnsabc', address: parseAddress('198.51.100.21') },
    { interfaceName: 'eth1', address: parseAddress('100.64.3.3') },
    { interfaceName: 'lo', address: parseAddress('127.0.0.1') },
    { interfaceName: 'eth1', address: parseAddress('fe80::5') },
  ];
  await until('a wait', () => bed.clock.hasSleeper(3_000));
  bed.clock.advance(3_000);
  const { direct } = await bed.session.receive('hello');
  assert.deepEqual(direct?.addresses, ['198.51.100.20']);
});

test('a session that gets nowhere from the new addresses is left after two seconds', async () => {
  await using bed = await Bed.start();
  bed.session.mute();
  bed.host.networkAddresses = () => [
    { interfaceName: 'wlan0', address: parseAddress('198.51.100.20') },
  ];
  await until('a wait', () => bed.clock.hasSleeper(3_000));
  bed.clock.advance(3_000);
  await until('a check', () => bed.clock.hasSleeper(2_000));
  bed.clock.advance(2_000);
  const { session } = await until('a wait', async () => {
    const now = await bed.member.status();
    return now?.session.state === 'waiting' && now;
  });
  assert.match(session.lastError ?? '', /did not answer within 2 s/);
});

test('a hello is said again when a master begins to introduce members', async () => {
  const certificates = await CertificateBed.create();
  await using master = await ScriptedMaster.start(certificates);
  await using directory = await memberDirectory();
  const join = { token: await master.invite(), name: parseMemberName('web-1') };
  const clock = new ManualClock();
  await using _member = new RunningMember(
    { directory: directory.path, join },
    { clock, host: new MemoryHost() },
  );
  const session = await master.session();
  session.send(await master.admission(session, await session.receive('join')));
  await session.receive('acknowledge');
  const { contact } = master;
  const acting = { ...contact, wireguard: { ...contact.wireguard, rendezvousPort } };
  session.send({ type: 'view', view: master.view(6, { acting }) });
  await session.receive('acknowledge');
  await until('a wait', () => clock.hasSleeper(3_000));
  clock.advance(3_000);
  assert.equal((await session.receive('hello')).direct?.port, 40_001);
});

test('a rendezvous shows the interface to the master for half a minute', async () => {
  await using bed = await Bed.start();
  bed.session.send({ type: 'meet' });
  const key = bed.masterKey;
  assert.ok(key);
  const peer = await until('a peer', () => bed.peer(key));
  assert.deepEqual(peer, {
    publicKey: key,
    presharedKey: bed.presharedKey(bed.view.key, key),
    endpoint: `192.0.2.1:${rendezvousPort}`,
    allowedIps: [],
    keepaliveSeconds: 25,
  });
  assert.equal(bed.interface?.listenPort, 40_001);
  await until('its end', () => {
    bed.clock.advance(1_000);
    return bed.peer(key) === undefined;
  });
});

test('an introduced member is tried, and told of when it is direct', async () => {
  await using bed = await Bed.start();
  await bed.direct();
  const states = [];
  for (let count = 0; count < 2; count += 1) {
    const { paths } = await bed.session.receive('paths');
    states.push(paths[0]?.state);
  }
  assert.deepEqual(states, ['trying', 'direct']);
  const { direct } = (await bed.member.status()) ?? {};
  assert.deepEqual(
    direct?.map(({ name, state }) => [name, state]),
    [['bela', 'direct']],
  );
  const metrics = await bed.member.get(localMetricsPath);
  assert.match(metrics, /hanse_member_direct_paths\{membership="hansa.east",state="direct"\} 1/);
  assert.match(metrics, /hanse_member_direct_moves\{membership="hansa.east"\} 1/);
});

test('a report is given to whoever asks', async () => {
  await using bed = await Bed.start();
  bed.session.send({ type: 'report-paths' });
  assert.deepEqual((await bed.session.receive('paths')).paths, []);
});

test('a lying introduction is counted, and the session goes on', async () => {
  await using bed = await Bed.start();
  bed.session.send({ ...bed.introduction, name: parseMemberName('carl') });
  bed.session.send({ type: 'report-paths' });
  assert.deepEqual((await bed.session.receive('paths')).paths, []);
  assert.equal((await bed.member.status())?.introductionsRefused, 1);
  assert.equal(bed.interface, undefined);
});

test('withdrawn peers are gone before what follows is acknowledged', async () => {
  await using bed = await Bed.start();
  await bed.direct();
  const peers = () => stored(bed, 'peers.json').catch(() => 'none yet');
  await until('the file', async () => (await peers()).includes('bela'));
  const { key } = bed.master.view(7);
  bed.session.sendTogether([
    { type: 'key-changed', previousRevision: 5, revision: 7, key },
    { type: 'withdraw', peers: [bed.peerKey] },
  ]);
  await until('an acknowledgement', () =>
    bed.session.unread.some(({ type }) => type === 'acknowledge'),
  );
  assert.equal(bed.peer(bed.peerKey), undefined);
  assert.doesNotMatch(await stored(bed, 'peers.json'), /bela/);
});

test('a new key is in the direct tunnels in the same step as in the masters’', async () => {
  await using bed = await Bed.start();
  await bed.direct();
  const before = bed.host.applied.length;
  const { key } = bed.master.view(7);
  bed.session.send({ type: 'key-changed', previousRevision: 5, revision: 7, key });
  await until('an acknowledgement', () =>
    bed.session.unread.some(({ type }) => type === 'acknowledge'),
  );
  const masterKey = bed.masterKey;
  assert.ok(masterKey);
  for (const state of bed.host.applied.slice(before)) {
    const peers = state.interfaces.flatMap((one) => one.peers);
    const keys = peers.map(({ publicKey, presharedKey }) => [publicKey, presharedKey]);
    assert.deepEqual(keys, [
      [masterKey, bed.presharedKey(key, masterKey)],
      [bed.peerKey, bed.presharedKey(key, bed.peerKey)],
    ]);
  }
});

test('a daemon that stops leaves the routes with the master and the tunnel where it is', async () => {
  await using bed = await Bed.start();
  await bed.direct();
  await bed.member[Symbol.asyncDispose]();
  assert.ok(bed.peer(bed.peerKey));
  assert.deepEqual(bed.interface?.routes, []);
});

test('nothing is left of direct paths when the membership ends', async () => {
  await using bed = await Bed.start();
  await bed.direct();
  bed.session.send({ type: 'ended', reason: 'evicted' });
  assert.equal(await bed.member.outcome, 'all-ended');
  assert.deepEqual(bed.host.interfaces, []);
  await assert.rejects(stored(bed, 'peers.json'), { code: 'ENOENT' });
});

test('a master that introduces nobody hears nothing of direct paths', async () => {
  const certificates = await CertificateBed.create();
  await using master = await ScriptedMaster.start(certificates);
  await using directory = await memberDirectory();
  const join = { token: await master.invite(), name: parseMemberName('web-1') };
  const parts = { clock: new ManualClock(), host: new MemoryHost() };
  await using _member = new RunningMember({ directory: directory.path, join }, parts);
  const session = await master.session();
  const admission = await master.admission(session, await session.receive('join'));
  session.send(admission);
  await session.receive('acknowledge');
  session.send({ type: 'view', view: master.view(6) });
  await session.receive('acknowledge');
  assert.deepEqual(session.unread, []);
});
