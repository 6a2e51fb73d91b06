import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { CertificateBed, hourMs, spkiOf } from '../../../test/support/certificate-bed.ts';
import { earlierAuthority } from '../../../test/support/earlier-authority.ts';
import { rootOf, stolenAuthority } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { maxSealedPeers } from '../../api/direct-messages.ts';
import { changeKeying } from '../../api/key-endpoints.ts';
import { introduceMember } from '../../api/path-endpoints.ts';
import { sealedAddress } from '../../core/addressing.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../model/names.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import { silentLog } from '../../runtime/log.ts';
import { type Issuer, issueLeaf } from '../../trust/certificate-authority.ts';
import type { MemberAddresses } from '../../trust/member-addresses.ts';
import { createIdentityKeyPair } from '../../trust/self-signed-certificate.ts';
import type { MemberSession } from '../session/member-session.ts';
import { OtherMasters } from './other-masters.ts';
import { Seeking } from './seeking.ts';
import { Whereabouts } from './whereabouts.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
before(async () => {
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe'], bremen: ['elbe'], berlin: ['spree'] },
  });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
  await goTo('changing');
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
afterEach(() => goTo('changing'));

async function goTo(phase: KeyingPhase): Promise<void> {
  const operator = await bed.operator();
  await operator.call(changeKeying, { body: { phase } });
  await until('both masters work by it', () =>
    [elbe, spree].every(({ master }) => master.directory.keyingPhase === phase),
  );
  if (phase === 'per-subset') return;
  await until('one key', () => {
    const keys = [elbe.subset('hamburg'), elbe.subset('bremen'), spree.subset('berlin')];
    return new Set(keys.map(({ state }) => state.key.groupKey)).size === 1;
  });
}

interface Talker extends AsyncDisposable {
  readonly node: SessionNode;
  readonly client: ClientSession;
  /** The master's end. */
  readonly session: MemberSession;
  readonly ipv4: Address;
  readonly ipv6: Address;
  readonly sealedPort: number;
}

let talkers = 0;

interface TalkerOptions {
  readonly subset?: string;
  /** What it says that others are to check it by, instead of its own. */
  readonly chain?: readonly string[];
  readonly takesSealed?: boolean;
}

/** A member with a session at the master of its subset. */
async function talker(options: TalkerOptions = {}): Promise<Talker> {
  const { subset = 'hamburg', takesSealed = true } = options;
  const master = subset === 'berlin' ? spree : elbe;
  talkers += 1;
  const sealedPort = 41_000 + talkers;
  const node = new SessionNode(`talker-${talkers}`);
  const { token } = await invite(bed, subset);
  const { session: joining, admitted } = await node.join(master.endpoint, token);
  await joining[Symbol.asyncDispose]();
  const client = await node.connect(master.endpoint);
  const { revision, key } = master.view(subset);
  const contact = { port: 40_000, addresses: [], peers: [], chain: options.chain ?? node.chain };
  client.send({
    ...{ type: 'hello', appliedRevision: revision, appliedEpoch: key.epoch },
    direct: { ...contact, chain: [...contact.chain], ...(takesSealed ? { sealedPort } : {}) },
  });
  const session = await until('the session', () => {
    const found = master.master.hub.find(parseSubsetName(subset), parseMemberName(node.name));
    return found?.direct.contact ? found : undefined;
  });
  const { ipv4, ipv6 } = admitted.place;
  const dispose = () => client[Symbol.asyncDispose]();
  return { node, client, session, ipv4, ipv6, sealedPort, [Symbol.asyncDispose]: dispose };
}

const seek = ({ session }: Talker, ...addresses: readonly Address[]): Promise<void> =>
  elbe.master.seeking.seek(session, addresses);

/** Whoever has heard anything before this does not get it as the next message. */
async function assertSilent(...silent: readonly Talker[]): Promise<void> {
  for (const { client, session } of silent) {
    session.send({ type: 'report-paths' });
    await client.expect('report-paths');
  }
}

const told = (whom: Talker, isFirst: boolean, subset?: string) => ({
  ...{ type: 'introduce', name: whom.node.name, chain: whom.node.chain },
  ...{ ipv4: whom.ipv4, ipv6: whom.ipv6, candidates: [], isFirst },
  ...{ sealedPort: whom.sealedPort, ...(subset ? { subset } : {}) },
});

test('two members of one master are told of each other, and the seeker calls', async () => {
  await using anna = await talker();
  await using berta = await talker();
  anna.client.send({ type: 'seek', addresses: [berta.ipv6] });
  assert.deepEqual(await berta.client.expect('introduce'), told(anna, false));
  assert.deepEqual(await anna.client.expect('introduce'), told(berta, true));
  assert.ok(anna.session.direct.holds(berta.node.wireguardKey));
  assert.ok(berta.session.direct.holds(anna.node.wireguardKey));
});

test('members of two subsets of one master are told which subset the other one is of', async () => {
  await using anna = await talker();
  await using berta = await talker({ subset: 'bremen' });
  await seek(anna, berta.ipv4);
  assert.deepEqual(await berta.client.expect('introduce'), told(anna, false, 'hamburg'));
  assert.deepEqual(await anna.client.expect('introduce'), told(berta, true, 'bremen'));
});

test('members of two masters are told of each other, and one of them calls', async () => {
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  await seek(anna, carla.ipv4);
  assert.deepEqual(await carla.client.expect('introduce'), told(anna, false, 'hamburg'));
  assert.deepEqual(await anna.client.expect('introduce'), told(carla, true, 'berlin'));
  // Either of them is withdrawn from the other when it is put out.
  assert.ok(anna.session.direct.holds(carla.node.wireguardKey));
  assert.ok(carla.session.direct.holds(anna.node.wireguardKey));
});

test('nobody is found at the own address, one of nobody, or one outside of the VPN', async () => {
  await using anna = await talker();
  const elsewhere = ['100.64.0.200', '100.64.8.200', '100.64.0.1', '203.0.113.9', 'fd00::2'];
  const own = [anna.ipv4, anna.ipv6, sealedAddress(anna.ipv6)];
  await seek(anna, ...own, ...elsewhere.map(parseAddress));
  await assertSilent(anna);
});

test('a member that seals nothing, or has no session, is not found and finds nobody', async () => {
  await using anna = await talker();
  await using older = await talker({ subset: 'bremen', takesSealed: false });
  const away = await talker({ subset: 'berlin' });
  await away[Symbol.asyncDispose]();
  await until('it is away', () => {
    return !spree.master.hub.find(away.session.member.subset, away.session.member.name);
  });
  await seek(anna, older.ipv4, away.ipv4);
  await seek(older, anna.ipv4);
  await assertSilent(anna, older);
});

test('where subsets have keys of their own nobody is sought, here or by another master', async () => {
  await using anna = await talker();
  await using berta = await talker();
  await using carla = await talker({ subset: 'berlin' });
  await goTo('per-subset');
  for (const { client } of [anna, berta, carla]) {
    await until('the news', () => client.messages.some(({ type }) => type !== 'introduce'));
    client.messages.length = 0;
  }
  await seek(anna, berta.ipv4, carla.ipv4);
  await assert.rejects(introduceTo(carla, anna, anna.node.chain), {
    code: 'refused',
    message: /no key in common/,
  });
});

/** Elbe's, with a clock of its own. */
function seekingBy(clock: ManualClock) {
  const { name, parts, whereabouts, links } = elbe.master;
  const others = new OtherMasters(name, { ...parts, clock: elbe.clock, links, log: silentLog() });
  const introducing = { ...parts, clock, whereabouts, others, onIntroduced: () => {} };
  return { others, seeking: new Seeking(name, introducing) };
}

test('a member that asks for too many is answered again when it has waited', async () => {
  await using anna = await talker();
  await using berta = await talker();
  const clock = new ManualClock();
  const { seeking } = seekingBy(clock);
  const nobody = parseAddress('100.64.0.200');
  await seeking.seek(anna.session, Array<Address>(maxSealedPeers).fill(nobody));
  await seeking.seek(anna.session, [berta.ipv4]);
  await assertSilent(anna, berta);

  clock.advance(1_000);
  const sought = seeking.seek(anna.session, [berta.ipv4]);
  await until('the head start', () => clock.hasSleeper(50));
  clock.advance(50);
  await sought;
  await Promise.all([anna.client.expect('introduce'), berta.client.expect('introduce')]);
});

test('nobody is told of a member that leaves in the moment before', async () => {
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  const clock = new ManualClock();
  const { seeking, others } = seekingBy(clock);
  const sought = seeking.seek(anna.session, [carla.ipv4]);
  await until('the head start', () => clock.hasSleeper(50));
  const carlaName = parseMemberName(carla.node.name);
  await spree.subset('berlin').departures.remove(carlaName, 'evicted', 'operator:ada');
  await until('elbe has heard', () => others.hasLeft(carla.node.wireguardKey));
  clock.advance(50);
  await sought;
  assert.ok(!anna.client.messages.some(({ type }) => type === 'introduce'));
  assert.ok(!anna.session.direct.holds(carla.node.wireguardKey));
});

/** As the master elbe asks the master spree. */
function introduceTo(whom: Talker, { ipv4, ipv6, sealedPort }: Talker, chain: readonly string[]) {
  const member = { chain: [...chain], ipv4, ipv6, sealedPort };
  const input = {
    params: { subset: whom.session.member.subset },
    body: { address: whom.ipv4, member },
  };
  return elbe.master.links.call(introduceMember, input, { master: parseMasterName('spree') });
}

test('a master that introduces somebody of another VPN is refused, and nobody is told', async () => {
  const foreign = await CertificateBed.create('corp');
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  const { chain } = await foreign.issue(foreign.member('hamburg', anna.node.name));
  await assert.rejects(introduceTo(carla, anna, chain), {
    code: 'refused',
    message: /the certificate proves nothing/,
  });
  const { certificate } = elbe.identity;
  await assert.rejects(introduceTo(carla, anna, [certificate]), { code: 'refused' });
  await assertSilent(carla);
});

test('of a member that another master finds only what its certificate proves is told', async () => {
  const foreign = await CertificateBed.create('corp');
  const { chain } = await foreign.issue(foreign.member('berlin', 'carla'));
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin', chain });
  await seek(anna, carla.ipv4);
  await carla.client.expect('introduce');
  await assertSilent(anna);
});

/** A certificate of spree's authority for berlin, as whoever broke into spree can write it. */
async function certificateOf(
  whom: Talker,
  addresses: MemberAddresses | undefined,
  authority?: Issuer,
): Promise<readonly string[]> {
  const issuer = authority ?? (await stolenAuthority(bed, 'berlin', 'spree'));
  const { subset, name } = whom.session.member;
  const nowMs = Date.now();
  // The authority itself would refuse to sign some of them.
  const { scope } = await earlierAuthority(issuer, await rootOf(bed));
  const leaf = await issueLeaf({
    identity: { kind: 'member', vpn: bed.vpn.name, subset, name },
    subjectPublicKey: spkiOf(createIdentityKeyPair().publicKey),
    wireguardKeys: { acting: whom.node.wireguardKey },
    ...(addresses ? { addresses } : {}),
    issuer: { ...issuer, scope },
    period: { fromMs: nowMs, untilMs: nowMs + hourMs },
  });
  return [leaf, issuer.certificatePem];
}

test('an accomplice of a master gone bad has nobody else’s address, whatever that master certifies', async () => {
  await using anna = await talker();
  await using victim = await talker({ subset: 'bremen' });
  await using accomplice = await talker({ subset: 'berlin' });
  const own = { ipv4: accomplice.ipv4, ipv6: accomplice.ipv6 };
  const unused = parseAddress(victim.ipv6.replace(/[0-9a-f]+$/, 'aa'));
  const introduce = async (told: MemberAddresses, chain: readonly string[]) => {
    const member = { ...told, chain: [...chain], sealedPort: accomplice.sealedPort };
    const input = {
      params: { subset: anna.session.member.subset },
      body: { address: anna.ipv4, member },
    };
    return spree.master.links.call(introduceMember, input, { master: parseMasterName('elbe') });
  };
  const [notTheirs, otherBlock] = [
    /not those of its certificate/,
    /not of the blocks that the root/,
  ];
  const notServed = /spree has no member at/;
  const lies: readonly [told: MemberAddresses, byHonest: RegExp, byCertified: RegExp][] = [
    [{ ...own, ipv4: victim.ipv4 }, notTheirs, otherBlock],
    [{ ...own, ipv6: unused }, notServed, notServed],
    [{ ipv4: victim.ipv4, ipv6: victim.ipv6 }, notServed, notServed],
    [{ ...own, ipv4: parseAddress('100.100.0.7') }, notTheirs, otherBlock],
  ];
  for (const [told, byHonest, message] of lies) {
    const honest = await certificateOf(accomplice, own);
    await assert.rejects(introduce(told, honest), { code: 'refused', message: byHonest });
    const certified = await certificateOf(accomplice, told);
    await assert.rejects(introduce(told, certified), { code: 'refused', message });
  }
  await assertSilent(anna);
  await introduce(own, await certificateOf(accomplice, own));
  await anna.client.expect('introduce');
});

test('a master introduces members of its own subsets only, whatever certificates it has', async () => {
  await using anna = await talker();
  await using berta = await talker({ subset: 'bremen' });
  const { ipv4, ipv6, sealedPort } = berta;
  const member = { chain: [...berta.node.chain], ipv4, ipv6, sealedPort };
  const input = {
    params: { subset: anna.session.member.subset },
    body: { address: anna.ipv4, member },
  };
  const calling = spree.master.links.call(introduceMember, input, {
    master: parseMasterName('elbe'),
  });
  await assert.rejects(calling, { code: 'refused', message: /spree has no member at/ });
  await assertSilent(anna);
});

test('in a minute a master has fewer introduced to one member than that may have tunnels', async () => {
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  const clock = new ManualClock();
  const { parts } = elbe.master;
  const { seeking } = seekingBy(clock);
  const { ipv4, ipv6, sealedPort } = carla;
  const member = { chain: [...carla.node.chain], ipv4, ipv6, sealedPort };
  const served = parts.subsets.requireServed(anna.session.member.subset);
  const request = { address: anna.ipv4, member };
  let introduced = 0;
  const spend = async (): Promise<void> => {
    for (; ; introduced += 1) await seeking.introduce(served, request, parseMasterName('spree'));
  };
  await assert.rejects(spend(), { code: 'busy', message: /spree asks for too many introductions/ });
  for (let second = 1; second < 60; second += 1) {
    clock.advance(1_000);
    await assert.rejects(spend(), { code: 'busy' });
  }
  assert.ok(introduced >= 60 && introduced < maxSealedPeers, `${introduced} in a minute`);
});

test('who has a certificate that binds nothing, or an authority that does not, is not introduced', async () => {
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  const { ipv4, ipv6 } = carla;
  const authority = await stolenAuthority(bed, 'berlin', 'spree');
  const earlier = await earlierAuthority(authority, await rootOf(bed));
  for (const [chain, message] of [
    [await certificateOf(carla, undefined), /binds no addresses/],
    [await certificateOf(carla, { ipv4, ipv6 }, earlier), /binds no address blocks/],
  ] as const) {
    const member = { chain: [...chain], ipv4, ipv6, sealedPort: carla.sealedPort };
    const { subset } = anna.session.member;
    const input = { params: { subset }, body: { address: anna.ipv4, member } };
    const calling = spree.master.links.call(introduceMember, input, {
      master: parseMasterName('elbe'),
    });
    await assert.rejects(calling, { code: 'refused', message });
  }
  await assertSilent(anna);
});

test('whoever another master answers with is introduced only if it has the address that was sought', async () => {
  await using anna = await talker();
  await using carla = await talker({ subset: 'berlin' });
  await using dora = await talker({ subset: 'berlin' });
  const { ipv4, ipv6, sealedPort } = dora;
  const found = { chain: [...dora.node.chain], ipv4, ipv6, sealedPort };
  const parts = { ...elbe.master.parts, log: silentLog(), clock: elbe.clock };
  // As the master of berlin would answer if it were not honest.
  const links = { call: async () => found as never };
  const others = new OtherMasters(elbe.master.name, { ...parts, links });
  const whereabouts = new Whereabouts(parts);
  const seeking = new Seeking(elbe.master.name, {
    ...{ ...parts, whereabouts, others, onIntroduced: () => {} },
  });
  await seeking.seek(anna.session, [carla.ipv4]);
  await assertSilent(anna);
  await seeking.seek(anna.session, [dora.ipv4]);
  assert.equal((await anna.client.expect('introduce')).name, dora.node.name);
});
