import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { CertificateBed } from '../../../test/support/certificate-bed.ts';
import { invite } from '../../../test/support/invite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { maxDirectPeers } from '../../api/direct-messages.ts';
import { changeKeying } from '../../api/key-endpoints.ts';
import { introduceMember, type MemberPresence } from '../../api/path-endpoints.ts';
import { addressesAt } from '../../core/addressing.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import {
  type MasterName,
  parseMasterName,
  parseMemberName,
  parseSubsetName,
} from '../../model/names.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { silentLog } from '../../runtime/log.ts';
import { readMasterIdentity } from '../master-identity.ts';
import { MasterLinks } from '../master-links.ts';
import type { MemberSession } from '../session/member-session.ts';
import { DistantPairs } from './distant-pairs.ts';
import { OtherMasters } from './other-masters.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
/** Where the masters see whom at the rendezvous. */
const seenAt = new Map<WireguardPublicKey, string>();
before(async () => {
  // The master elbe has the lower addresses: it is who asks.
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe'], berlin: ['spree', 'isar'], munich: ['isar'] },
  });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
  for (const { host, clock } of [elbe, spree]) {
    host.observeInterface = async (interfaceName) =>
      [...seenAt].map(([publicKey, endpoint]) => ({
        ...{ interfaceName, publicKey, endpoint, latestHandshakeMs: clock.nowMs() },
        ...{ receivedBytes: 1, sentBytes: 1 },
      }));
  }
  await goTo('changing');
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
afterEach(async () => {
  for (const { host } of [elbe, spree]) host.talks = [];
  await goTo('changing');
});

async function goTo(phase: KeyingPhase): Promise<void> {
  const operator = await bed.operator();
  await operator.call(changeKeying, { body: { phase } });
  await until('both masters work by it', () =>
    [elbe, spree].every(({ master }) => master.directory.keyingPhase === phase),
  );
}

interface Talker extends AsyncDisposable {
  readonly node: SessionNode;
  readonly client: ClientSession;
  /** The master's end. */
  readonly session: MemberSession;
  readonly ipv4: Address;
  readonly ipv6: Address;
  /** Where its master sees it. */
  readonly observed: string;
  readonly local: string;
}

let talkers = 0;
/** A master answers for the same two no more often. */
const answerAgainMs = 2_000;

/** A member with a session at the master of its subset, which sees it at the rendezvous. */
async function talker(subset: 'hamburg' | 'berlin'): Promise<Talker> {
  const master = subset === 'berlin' ? spree : elbe;
  talkers += 1;
  const node = new SessionNode(`talker-${talkers}`);
  const { token } = await invite(bed, subset);
  const { session: joining, admitted } = await node.join(master.endpoint, token);
  await joining[Symbol.asyncDispose]();
  const local = `192.0.2.${talkers}:40000`;
  const connected = await connect(node, subset, local);
  const observed = `198.51.100.${talkers}:1111`;
  seenAt.set(node.wireguardKey, observed);
  const { ipv4, ipv6 } = admitted.place;
  return { node, ipv4, ipv6, observed, local, ...connected };
}

/** The member says where it is to be reached, in a session that takes the place of an earlier one. */
async function connect(node: SessionNode, subset: string, local: string) {
  const master = subset === 'berlin' ? spree : elbe;
  const find = () => master.master.hub.find(parseSubsetName(subset), parseMemberName(node.name));
  const replaced = find();
  const client = await node.connect(master.endpoint);
  const { revision, key } = master.view(subset);
  const addresses = [parseAddress(hostOf(local))];
  client.send({
    ...{ type: 'hello', appliedRevision: revision, appliedEpoch: key.epoch },
    direct: { port: portOf(local), addresses, peers: [], chain: [...node.chain] },
  });
  const session = await until('the session', () => {
    const found = find();
    return found !== replaced && found?.direct.contact ? found : undefined;
  });
  return { client, session, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** The kernel of the master notes that packets of the two pass. */
const noteAt = ({ host }: RunningMaster, { ipv6: one }: Talker, { ipv6: other }: Talker) => {
  host.talks = [...host.talks, { one, other }];
};
const look = async (times = 1): Promise<void> => {
  for (let time = 0; time < times; time += 1) {
    for (const { master } of [elbe, spree]) await master.introductions.look();
  }
};

/** Resolves with the next introduction that it is told of; other news may come before. */
const introduction = ({ client }: Talker) =>
  until('an introduction', () => {
    const next = client.messages.shift();
    return next?.type === 'introduce' && next;
  });

/** Looks until both have been told of somebody. */
async function untilIntroduced(...both: readonly Pick<Talker, 'client'>[]): Promise<void> {
  await until('they are introduced', async () => {
    await look();
    return both.every(({ client }) => client.messages.some(({ type }) => type === 'introduce'));
  });
  for (const { client } of both) client.messages.length = 0;
}

/** Whatever else they have heard, it was of nobody. */
async function assertToldOfNobody(...members: readonly Talker[]): Promise<void> {
  for (const { client, session } of members) {
    session.send({ type: 'report-paths' });
    const heard = () => client.messages.map(({ type }) => type);
    await until('the last message', () => heard().includes('report-paths'));
    assert.ok(!heard().includes('introduce'), heard().join());
    client.messages.length = 0;
  }
}

const told = (whom: Talker, subset: string, isFirst: boolean) => ({
  ...{ type: 'introduce', name: whom.node.name, subset, chain: whom.node.chain },
  ...{ ipv4: whom.ipv4, ipv6: whom.ipv6, candidates: [whom.observed, whom.local], isFirst },
});

test('two that talk across masters are asked to the rendezvous of their own, and told of each other', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  noteAt(elbe, anna, carla);
  noteAt(spree, anna, carla);
  await look();
  await Promise.all([anna.client.expect('meet'), carla.client.expect('meet')]);
  await until('they are introduced', async () => {
    await look();
    return anna.session.direct.holds(carla.node.wireguardKey);
  });
  assert.deepEqual(await introduction(anna), told(carla, 'berlin', true));
  assert.deepEqual(await introduction(carla), told(anna, 'hamburg', false));
  // Either of them is withdrawn from the other when it is put out.
  assert.ok(carla.session.direct.holds(anna.node.wireguardKey));
  await look(3);
  await assertToldOfNobody(anna, carla);
});

for (const which of ['asks', 'is asked'] as const) {
  test(`when a member of the master that ${which} has connected anew, both are told of each other at once`, async () => {
    await using anna = await talker('hamburg');
    await using carla = await talker('berlin');
    noteAt(elbe, anna, carla);
    noteAt(spree, anna, carla);
    await untilIntroduced(anna, carla);
    for (const { clock } of [elbe, spree]) clock.jump(answerAgainMs);
    const [from, to] = which === 'asks' ? [anna, carla] : [carla, anna];
    await using again = await connect(from.node, from.session.member.subset, from.local);
    await untilIntroduced({ ...from, ...again }, to);
  });
}

test('whom a member does not send to by itself it is not told of, whatever another master sees', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  noteAt(elbe, anna, carla);
  await look(2);
  await anna.client.expect('meet');
  await assert.rejects(ask(carla, anna), { code: 'refused', message: /has not sent anything to/ });
  await assertToldOfNobody(anna, carla);
});

test('where subsets have keys of their own nobody is asked, and no master is answered', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  await goTo('per-subset');
  noteAt(elbe, anna, carla);
  noteAt(spree, anna, carla);
  await look(2);
  await assert.rejects(ask(carla, anna), { code: 'refused', message: /no key in common/ });
  await assertToldOfNobody(anna, carla);
});

const presence = ({ node, ipv4, ipv6 }: Talker, changed: Partial<MemberPresence> = {}) => ({
  ...{ chain: [...node.chain], ipv4, ipv6 },
  direct: { addresses: [parseAddress('192.0.2.99')], port: 40_000 },
  ...changed,
});

/** As a master asks the master spree; elbe unless said. */
function ask(
  whom: Talker,
  other: Talker,
  { links = elbe.master.links, ...changed }: Partial<MemberPresence> & { links?: MasterLinks } = {},
) {
  const input = {
    params: { subset: whom.session.member.subset },
    body: { address: whom.ipv6, member: presence(other, changed) },
  };
  return links.call(introduceMember, input, { master: parseMasterName('spree') });
}

/** Two of whom the master spree knows that they talk, and whom nobody has introduced. */
async function talking(): Promise<{ anna: Talker; carla: Talker } & AsyncDisposable> {
  const [anna, carla] = [await talker('hamburg'), await talker('berlin')];
  noteAt(spree, anna, carla);
  await look(2);
  await carla.client.expect('meet');
  const dispose = async () => {
    for (const one of [anna, carla]) await one[Symbol.asyncDispose]();
  };
  return { anna, carla, [Symbol.asyncDispose]: dispose };
}

for (const [what, lie] of [
  [
    'a certificate of another VPN',
    async ({ anna }: { readonly anna: Talker }) => {
      const foreign = await CertificateBed.create('corp');
      return await foreign.issue(foreign.member('hamburg', anna.node.name));
    },
  ],
  ['a master’s certificate', async () => ({ chain: [elbe.identity.certificate] })],
  [
    'the certificate of a member of another subset',
    async ({ carla }: { readonly carla: Talker }) => ({ chain: [...carla.node.chain] }),
  ],
  ['another one’s IPv4 address', async () => ({ ipv4: parseAddress('100.64.0.77') })],
  [
    'that it is one of its own',
    async () => {
      const identity = await readMasterIdentity(bed.directory.master(parseMasterName('isar')));
      return { links: new MasterLinks({ identity, directory: elbe.master.directory }) };
    },
  ],
] as const) {
  test(`a master that says of its member what does not hold is refused: ${what}`, async () => {
    await using pair = await talking();
    const lies = await lie(pair);
    const changed = 'chain' in lies ? { chain: [...lies.chain] } : lies;
    const asked = ask(pair.carla, pair.anna, changed);
    await assert.rejects(Promise.all([asked, untilAnswered(asked)]), { code: 'refused' });
    await assertToldOfNobody(pair.carla);
  });
}

/** Somebody has to look at who is at the rendezvous. */
async function untilAnswered(asked: Promise<unknown>): Promise<void> {
  let isOver = false;
  void asked
    .catch(() => undefined)
    .finally(() => {
      isOver = true;
    });
  await until('there is an answer', async () => {
    await look();
    return isOver;
  });
}

test('a master that has two introduced again and again is told to wait', async () => {
  await using pair = await talking();
  const asked = ask(pair.carla, pair.anna);
  await untilAnswered(asked);
  assert.equal((await asked).direct?.observed, pair.carla.observed);
  await introduction(pair.carla);
  await assert.rejects(ask(pair.carla, pair.anna), { code: 'busy' });
  await assertToldOfNobody(pair.carla);
});

test('a member that has left the VPN is not introduced to anybody, though its certificate holds', async () => {
  await using pair = await talking();
  const { departures } = elbe.subset('hamburg');
  await departures.remove(parseMemberName(pair.anna.node.name), 'evicted', 'operator:anna');
  await until('the other master has heard', () =>
    spree.master.directory.sharedKey?.departed.some(
      ({ key }) => key === pair.anna.node.wireguardKey,
    ),
  );
  const asked = ask(pair.carla, pair.anna);
  await assert.rejects(Promise.all([asked, untilAnswered(asked)]), { code: 'refused' });
});

/** Distant pairs of the master elbe, whose meetings last no time, and what other masters were asked. */
function distantPairs(answer: (master: MasterName) => Promise<MemberPresence>) {
  const { parts, name, whereabouts } = elbe.master;
  const clock = new ManualClock();
  const asked: MasterName[] = [];
  const call = async (_to: unknown, _what: unknown, { master }: { master: MasterName }) => {
    asked.push(master);
    return await answer(master);
  };
  const links = { call: call as unknown as typeof elbe.master.links.call };
  const others = new OtherMasters(name, { ...parts, clock, log: silentLog(), links });
  const meetings = { gather: async () => new Map() };
  const pairs = new DistantPairs({
    ...{ ...parts, clock, whereabouts, others, meetings, onIntroduced: () => {} },
  });
  return { pairs, asked, clock };
}

const recordOf = ({ node, session }: Talker): MemberRecord =>
  elbe.subset('hamburg').state.roll.findActive(parseMemberName(node.name)) ??
  assert.fail(`${session.member.name} is no member`);

test('a member whose session is with a backup of its subset is found there', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  const { pairs, asked } = distantPairs(async (master) => {
    if (master === 'spree') throw new Error('it has no session here');
    return presence(carla);
  });
  pairs.saw(recordOf(anna), elbe.master.whereabouts.placeAt(carla.ipv6) ?? assert.fail(), true);
  assert.equal((await introduction(anna)).name, carla.node.name);
  assert.deepEqual(asked, ['spree', 'isar']);
});

test('a master that answers with another member than the one at the address is not believed', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  await using other = await talker('berlin');
  const { pairs, asked } = distantPairs(async () => presence(other));
  pairs.saw(recordOf(anna), elbe.master.whereabouts.placeAt(carla.ipv6) ?? assert.fail(), true);
  await until('all were asked', () => asked.length === 2);
  await assertToldOfNobody(anna);
});

test('a master of an earlier version, which says nothing of direct paths, leaves them as they are', async () => {
  await using anna = await talker('hamburg');
  await using carla = await talker('berlin');
  const { pairs, asked } = distantPairs(async () => ({
    ...{ chain: [...carla.node.chain], ipv4: carla.ipv4, ipv6: carla.ipv6, sealedPort: 41_000 },
  }));
  const place = elbe.master.whereabouts.placeAt(carla.ipv6) ?? assert.fail();
  assert.ok(pairs.saw(recordOf(anna), place, true));
  await until('it was asked', () => asked.length > 0);
  await assertToldOfNobody(anna);
});

test('a member that sends to many addresses costs no more calls than it may have direct paths, and then one a second', async () => {
  await using anna = await talker('hamburg');
  const { pairs, asked, clock } = distantPairs(async () => {
    throw new Error('nobody is there');
  });
  const { record } = elbe.master.directory.subsets.get(parseSubsetName('berlin')) ?? assert.fail();
  const spray = (first: number) => {
    for (let index = first; index < first + 100; index += 1) {
      const place = elbe.master.whereabouts.placeAt(addressesAt(record, index).ipv6);
      pairs.saw(recordOf(anna), place ?? assert.fail(), true);
    }
  };
  spray(10);
  await until('they are asked for', () => asked.length === 2 * maxDirectPeers);
  clock.advance(2_000);
  spray(110);
  await until('two more are asked for', () => asked.length === 2 * (maxDirectPeers + 2));
  assert.equal(pairs.size, maxDirectPeers + 2);
  clock.advance(1_300_000);
  pairs.clear(clock.nowMs());
  assert.equal(pairs.size, 0);
});
