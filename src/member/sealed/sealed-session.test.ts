import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CertificateBed } from '../../../test/support/certificate-bed.ts';
import { certifiedMember } from '../../../test/support/certified-member.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MemoryHost } from '../../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../../test/support/scripted-master.ts';
import { until } from '../../../test/support/until.ts';
import { type IntroduceMessage, maxHeldPeers } from '../../api/direct-messages.ts';
import type { HelloMessage, JoinMessage, View } from '../../api/messages.ts';
import type { HostState } from '../../model/host-state.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';

const sealedPort = 40_002;
const own = { ipv4: parseAddress('100.64.0.2'), ipv6: parseAddress('fd12:3456:789a:1::2') };
const bela = { ipv4: parseAddress('100.65.0.3'), ipv6: parseAddress('fd12:3456:789a:2::3') };
const prefixes = ['fd12:3456:789a::/48', '100.64.0.0/10'];
const belaOuter = 'fd12:3456:789a:2::8000:3/128';
const belaHost = ['100.65.0.3/32', 'fd12:3456:789a:2::3/128'];

/** A member of east that has joined. Bela is in west. */
class Bed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly host = new MemoryHost();
  readonly master: ScriptedMaster;
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();
  #revision = 5;
  member!: RunningMember;
  session!: ScriptedSession;
  joined!: JoinMessage;
  view!: View;
  /** What it said after the join. */
  hello!: HelloMessage;
  belaKey!: WireguardPublicKey;
  introduction!: IntroduceMessage;

  private constructor(master: ScriptedMaster, directory: string) {
    this.master = master;
    this.directory = directory;
  }

  /** @param isEarly whether its own certificate is of an earlier version, and proves no addresses */
  static async start(keying: KeyingPhase = 'per-subset', isEarly = false): Promise<Bed> {
    const certificates = await CertificateBed.create();
    const master = await ScriptedMaster.start(certificates, { rendezvousPort: 51_999 });
    const directory = await memberDirectory();
    const bed = new Bed(master, directory.path);
    bed.#stack.use(directory);
    bed.#stack.use(master);
    bed.#stack.defer(() => bed.member[Symbol.asyncDispose]());
    await bed.#join(keying, isEarly);
    await bed.#meetBela();
    return bed;
  }

  /** The same with sealed tunnels, and nobody at the other end of one yet. */
  static async sealed(): Promise<Bed> {
    const bed = await Bed.start();
    await bed.goTo('changing');
    await bed.session.receive('hello');
    await bed.goTo('shared');
    return bed;
  }

  async #join(keying: KeyingPhase, isEarly: boolean): Promise<void> {
    const invitation = { token: await this.master.invite(), name: parseMemberName('web-1') };
    this.member = new RunningMember({ directory: this.directory, join: invitation }, this);
    this.session = await this.master.session();
    this.joined = await this.session.receive('join');
    const admission = await this.master.admission(
      this.session,
      this.joined,
      isEarly ? { addresses: undefined } : {},
    );
    this.view = { ...admission.view, keying };
    this.session.send({ ...admission, view: this.view });
    await this.session.receive('acknowledge');
    this.hello = await this.session.receive('hello');
  }

  async #meetBela(): Promise<void> {
    const { key, ...certified } = await certifiedMember(this.master.bed, 'west', 'bela', bela);
    this.belaKey = key;
    this.introduction = {
      ...{ type: 'introduce', ...certified },
      ...{ ...bela, candidates: [], sealedPort: 41_000, isFirst: true },
    };
  }

  /** A view with another phase, applied. */
  async goTo(keying: KeyingPhase): Promise<void> {
    this.#revision += 1;
    const { key } = this.view;
    this.view = this.master.view(this.#revision, { keying, key });
    this.session.send({ type: 'view', view: this.view });
    await this.session.receive('acknowledge');
  }

  /** Resolves when both the host and the disk have her. */
  async introduceBela(): Promise<void> {
    this.session.send(this.introduction);
    await this.passUntil('a tunnel to Bela', () => this.bela !== undefined);
    await until('Bela is on the disk', () =>
      stored(this).then(
        (text) => text.includes('bela'),
        () => false,
      ),
    );
  }

  /** The daemon starts anew, on the same machine, and says hello. */
  async restart(): Promise<HelloMessage> {
    await this.member[Symbol.asyncDispose]();
    this.member = new RunningMember({ directory: this.directory }, this);
    this.session = await this.master.session();
    return await this.session.receive('hello');
  }

  passUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<unknown> {
    return until(what, async () => {
      this.clock.advance(100);
      return await condition();
    });
  }

  /** As long as no session ends for it. */
  async pass(durationMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 1_000) {
      this.clock.advance(1_000);
      await setImmediate();
    }
  }

  /** Whether it has asked for another certificate, and nobody has looked yet. */
  get hasAsked(): boolean {
    return this.session.unread.some(({ type }) => type === 'renew');
  }

  get sealed() {
    return sealedOf(this.host.applied.at(-1));
  }

  /** As the host has it. */
  get bela() {
    return this.sealed?.peers.find(({ publicKey }) => publicKey === this.belaKey);
  }

  /** By the tunnel to the master. */
  get openRoutes(): readonly string[] {
    return destinations(this.host.interfaces[0]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const sealedOf = (state: HostState | undefined) =>
  state?.interfaces.find(({ listenPort }) => listenPort === sealedPort);
const destinations = (state: HostState['interfaces'][number] | undefined): readonly string[] =>
  (state?.routes ?? []).map(({ destination }) => destination);
const stored = (bed: Bed) =>
  readFile(join(bed.directory, 'memberships', 'hansa.east', 'sealed.json'), 'utf8');

test('where subsets have keys of their own nothing is sealed, and nobody is sought', async () => {
  await using bed = await Bed.start();
  bed.host.talking = [{ one: own.ipv4, other: bela.ipv4 }];
  await bed.pass(5_000);
  assert.deepEqual(bed.session.unread, []);
  assert.equal(bed.host.interfaces.length, 1);
  assert.equal(bed.host.applied.at(-1)?.sealing, undefined);
});

test('a member whose VPN goes over to one key makes an interface and says where it is reached', async () => {
  await using bed = await Bed.start();
  await bed.goTo('changing');
  const { direct } = await bed.session.receive('hello');
  assert.equal(direct?.sealedPort, sealedPort);
  assert.deepEqual(destinations(bed.sealed), []);
  assert.deepEqual(bed.sealed?.peers, []);
  assert.deepEqual(bed.openRoutes, prefixes);
  assert.equal(bed.host.applied.at(-1)?.sealing?.[0]?.isRequired, false);
});

test('when masters are not to read any more, nothing but the gateway is left to the tunnel to it', async () => {
  await using bed = await Bed.sealed();
  assert.deepEqual(bed.openRoutes, ['fd12:3456:789a:1::1/128']);
  assert.deepEqual(destinations(bed.sealed), prefixes);
  assert.deepEqual(
    bed.sealed?.peers.map(({ endpoint, allowedIps }) => [endpoint, allowedIps]),
    [['[::1]:9', prefixes]],
  );
  assert.equal(bed.host.applied.at(-1)?.sealing?.[0]?.isRequired, true);
});

test('whoever joins a VPN that is sealed seals from the start', async () => {
  await using bed = await Bed.start('shared');
  assert.equal(bed.hello.direct?.sealedPort, sealedPort);
  assert.deepEqual(bed.openRoutes, ['fd12:3456:789a:1::1/128']);
  assert.deepEqual(destinations(bed.sealed), prefixes);
  const open = bed.host.applied.filter(({ interfaces: [first] }) =>
    destinations(first).some((destination) => destination === prefixes[0]),
  );
  assert.deepEqual(open, [], 'the VPN is never routed to the master');
});

test('whoever is talked to is sought, by what is sent and not by sealed packets or those of others', async () => {
  await using bed = await Bed.sealed();
  bed.host.talking = [
    { one: own.ipv4, other: bela.ipv4 },
    { one: bela.ipv6, other: own.ipv6 },
    { one: parseAddress('100.64.0.9'), other: parseAddress('100.65.0.9') },
    {
      one: parseAddress('fd12:3456:789a:1::8000:2'),
      other: parseAddress('fd12:3456:789a:2::8000:7'),
    },
    { one: own.ipv6, other: parseAddress('fd12:3456:789a:2::8000:7') },
  ];
  await bed.passUntil('a question', () => bed.session.unread.length > 0);
  const { addresses } = await bed.session.receive('seek');
  assert.deepEqual(addresses, [bela.ipv4, bela.ipv6]);

  await bed.introduceBela();
  const passedMs = bed.clock.monotonicMs() + 2_000;
  await bed.passUntil('two seconds', () => bed.clock.monotonicMs() >= passedMs);
  assert.ok(bed.session.unread.length <= 1, 'whom a tunnel leads to is not sought at once again');
});

test('a tunnel to another subset’s member is put in when packets of the tunnel itself have a way', async () => {
  await using bed = await Bed.sealed();
  const before = bed.host.applied.length;
  await bed.introduceBela();
  const publicKeys = [bed.joined.keys.acting, bed.belaKey] as const;
  assert.deepEqual(bed.bela, {
    ...{ publicKey: bed.belaKey, endpoint: '[fd12:3456:789a:2::8000:3]:41000' },
    presharedKey: derivePresharedKey({ ...bed.view.key, publicKeys }),
    ...{ allowedIps: belaHost, keepaliveSeconds: 25 },
  });
  const states = bed.host.applied.slice(before);
  const routed = states.findIndex(({ interfaces: [open] }) =>
    destinations(open).includes(belaOuter),
  );
  const reached = states.findIndex((state) =>
    sealedOf(state)?.peers.some(({ publicKey }) => publicKey === bed.belaKey),
  );
  assert.ok(routed >= 0 && routed < reached, `route in state ${routed}, peer in ${reached}`);
});

test('a lying introduction is counted and changes nothing', async () => {
  await using bed = await Bed.sealed();
  bed.session.send({ ...bed.introduction, subset: parseSubsetName('north') });
  bed.session.send({ ...bed.introduction, ipv6: parseAddress('fd12:3456:789a:1::3') });
  bed.session.send({ type: 'report-paths' });
  await bed.session.receive('paths');
  assert.equal((await bed.member.status())?.introductionsRefused, 2);
  assert.equal(bed.bela, undefined);
});

test('a master that pushes introductions without end is listened to again when it has waited', async () => {
  await using bed = await Bed.sealed();
  const chain = ['-----BEGIN CERTIFICATE-----'];
  const many = 2 * maxHeldPeers;
  for (let count = 0; count < many; count += 1) bed.session.send({ ...bed.introduction, chain });
  bed.session.send(bed.introduction);
  bed.session.send({ type: 'report-paths' });
  assert.deepEqual((await bed.session.receive('paths')).held, []);
  assert.equal((await bed.member.status())?.introductionsRefused, many + 1);
  bed.clock.advance(1_000);
  await bed.introduceBela();
});

test('a peer that is introduced again with other addresses is found by those alone', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  const moved = { ipv4: parseAddress('100.65.0.4'), ipv6: parseAddress('fd12:3456:789a:2::4') };
  const { chain } = await certifiedMember(bed.master.bed, 'west', 'bela', moved, bed.belaKey);
  const before = bed.host.applied.length;
  bed.session.send({ ...bed.introduction, ...moved, chain });
  await bed.passUntil('the tunnel leads there', () =>
    Boolean(bed.bela?.endpoint?.startsWith('[fd12:3456:789a:2::8000:4]')),
  );
  assert.deepEqual(bed.bela?.allowedIps, [`${moved.ipv4}/32`, `${moved.ipv6}/128`]);
  // Packets of the tunnel have a way before there are any.
  for (const state of bed.host.applied.slice(before)) {
    const peer = sealedOf(state)?.peers.find(({ publicKey }) => publicKey === bed.belaKey);
    const isThere = peer?.endpoint?.startsWith('[fd12:3456:789a:2::8000:4]');
    const routes = destinations(state.interfaces[0]);
    assert.ok(!isThere || routes.includes('fd12:3456:789a:2::8000:4/128'));
    assert.ok(!isThere || !routes.includes(belaOuter));
  }
  bed.host.talking = [{ one: own.ipv4, other: bela.ipv4 }];
  await bed.passUntil('who is at the old address is asked', () => bed.session.unread.length > 0);
  assert.deepEqual((await bed.session.receive('seek')).addresses, [bela.ipv4]);
});

test('a peer that is withdrawn is gone from host and disk before what follows is acknowledged', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  bed.session.send({ type: 'report-paths' });
  assert.deepEqual((await bed.session.receive('paths')).held, [bed.belaKey]);

  const { revision } = bed.view;
  const { key } = bed.master.view(revision + 1);
  bed.session.sendTogether([
    { type: 'key-changed', previousRevision: revision, revision: revision + 1, key },
    { type: 'withdraw', peers: [bed.belaKey] },
  ]);
  await bed.session.receive('acknowledge');
  assert.equal(bed.bela, undefined);
  assert.ok(!bed.openRoutes.includes(belaOuter));
  assert.doesNotMatch(await stored(bed), /bela/);
});

test('a new key is in the sealed tunnels in the same step as in the masters’', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  const before = bed.host.applied.length;
  const { revision } = bed.view;
  const { key } = bed.master.view(revision + 1);
  const change = { previousRevision: revision, revision: revision + 1, key };
  bed.session.send({ type: 'key-changed', ...change });
  await bed.session.receive('acknowledge');
  const publicKeys = [bed.joined.keys.acting, bed.belaKey] as const;
  const expected = derivePresharedKey({ ...key, publicKeys });
  const given = bed.host.applied
    .slice(before)
    .map((state) => sealedOf(state)?.peers.find((peer) => peer.publicKey === bed.belaKey));
  assert.ok(given.length > 0);
  assert.ok(given.every((peer) => peer?.presharedKey === expected));
});

test('a daemon that starts anew has its sealed tunnels from the start, and says so', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  const before = bed.host.applied.length;
  const { direct } = await bed.restart();
  assert.deepEqual([direct?.sealedPort, direct?.peers], [sealedPort, [bed.belaKey]]);
  const [first] = bed.host.applied.slice(before).filter((state) => sealedOf(state));
  assert.deepEqual(
    sealedOf(first)?.peers.map(({ publicKey }) => publicKey === bed.belaKey),
    [true, false],
  );
  assert.ok(destinations(first?.interfaces[0]).includes(belaOuter));
});

test('while a VPN goes over, only whoever has answered is sent to by its tunnel', async () => {
  await using bed = await Bed.start();
  await bed.goTo('changing');
  await bed.session.receive('hello');
  await bed.introduceBela();
  assert.deepEqual(destinations(bed.sealed), []);
  bed.host.observed.set(bed.belaKey, { handshakeAtMs: bed.clock.nowMs() });
  await bed.passUntil('a route to Bela', () => destinations(bed.sealed).length > 0);
  assert.deepEqual(destinations(bed.sealed), belaHost);
});

test('back to keys of their own, routes go first, and what still comes is taken for ten seconds', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  bed.host.observed.set(bed.belaKey, { handshakeAtMs: bed.clock.nowMs() });
  await bed.goTo('changing');
  await bed.passUntil('a route to Bela', () => destinations(bed.sealed).length === 2);
  assert.deepEqual(bed.openRoutes, [...prefixes, belaOuter]);

  const beginMs = bed.clock.monotonicMs();
  await bed.goTo('per-subset');
  assert.equal((await bed.session.receive('hello')).direct?.sealedPort, undefined);
  assert.deepEqual(destinations(bed.sealed), []);
  assert.ok(bed.bela);
  await bed.passUntil('its end', () => bed.sealed === undefined);
  const lastedMs = bed.clock.monotonicMs() - beginMs;
  assert.ok(lastedMs >= 10_000, `it was there for ${lastedMs} ms`);
  assert.equal(bed.host.applied.at(-1)?.sealing, undefined);
  assert.deepEqual(bed.openRoutes, prefixes);
  await until('the file', async () => !(await stored(bed)).includes('bela'));
});

test('nothing is left of sealed tunnels when the membership ends', async () => {
  await using bed = await Bed.sealed();
  await bed.introduceBela();
  bed.session.send({ type: 'ended', reason: 'evicted' });
  assert.equal(await bed.member.outcome, 'all-ended');
  assert.deepEqual(bed.host.interfaces, []);
  await assert.rejects(stored(bed), { code: 'ENOENT' });
});

test('a member whose certificate proves no addresses asks for another one as soon as it has to prove them', async () => {
  await using bed = await Bed.start('per-subset', true);
  await bed.goTo('changing');
  await bed.session.receive('hello');
  await bed.passUntil('it asks', () => bed.hasAsked);
  await bed.session.receive('renew');
  const chain = await bed.master.chainFor(bed.session, bed.joined, { addresses: own });
  bed.session.send({ type: 'renewed', chain });
  await bed.goTo('shared');
  const { direct } = await bed.restart();
  assert.deepEqual(direct?.chain, chain);
  await bed.pass(20_000);
  assert.ok(!bed.hasAsked, 'it has what it needs');
});

test('a master that has no better certificate is asked for one once in each session', async () => {
  await using bed = await Bed.start('shared', true);
  for (const session of ['first', 'second']) {
    await bed.passUntil(`it asks in its ${session} session`, () => bed.hasAsked);
    await bed.session.receive('renew');
    const chain = await bed.master.chainFor(bed.session, bed.joined);
    bed.session.send({ type: 'renewed', chain });
    await bed.goTo('changing');
    await bed.goTo('shared');
    await bed.pass(20_000);
    assert.ok(!bed.hasAsked);
    if (session === 'first') await bed.restart();
  }
});

test('where subsets have keys of their own no certificate has to prove addresses', async () => {
  await using bed = await Bed.start('per-subset', true);
  await bed.pass(20_000);
  assert.ok(!bed.hasAsked);
});
