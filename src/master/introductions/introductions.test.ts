import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { invite } from '../../../test/support/invite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { type DirectPath, maxDirectPeers } from '../../api/direct-messages.ts';
import type { Conversation } from '../../host/firewall/conversation-listing.ts';
import { HostError } from '../../host/host-error.ts';
import type { OpenPair } from '../../host/relay/relay.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import type { MemberSession } from '../session/member-session.ts';
import { Introductions } from './introductions.ts';
import { Meetings } from './meetings.ts';

let bed: MasterBed;
let elbe: RunningMaster;
/** Where the host saw whom at the rendezvous, and when. */
const seenAt = new Map<WireguardPublicKey, { readonly endpoint: string; readonly atMs: number }>();
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  elbe.host.observeInterface = async (interfaceName) =>
    [...seenAt].map(([publicKey, { endpoint, atMs }]) => ({
      ...{ interfaceName, publicKey, endpoint, latestHandshakeMs: atMs },
      ...{ receivedBytes: 1, sentBytes: 1 },
    }));
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(() => {
  elbe.host.talks = [];
  seenAt.clear();
});

interface Talker extends AsyncDisposable {
  readonly node: SessionNode;
  readonly client: ClientSession;
  /** The master's end. */
  readonly session: MemberSession;
  readonly ipv4: Address;
  readonly ipv6: Address;
  readonly local: string;
}

let talkers = 0;

/** A member with a session. @param takesDirect whether its hello says how it is reached */
async function talker({ subset = 'hamburg', takesDirect = true } = {}): Promise<Talker> {
  talkers += 1;
  const node = new SessionNode(`talker-${talkers}`);
  const { token } = await invite(bed, subset);
  const { session: joining, admitted } = await node.join(elbe.endpoint, token);
  await joining[Symbol.asyncDispose]();
  const client = await node.connect(elbe.endpoint);
  const address = parseAddress(`192.0.2.${talkers}`);
  const { revision, key } = admitted.view;
  client.send({
    ...{ type: 'hello', appliedRevision: revision, appliedEpoch: key.epoch },
    ...(takesDirect
      ? { direct: { port: 40_000, addresses: [address], peers: [], chain: [...node.chain] } }
      : {}),
  });
  const session = await until('the session', () => {
    const found = elbe.master.hub.find(parseSubsetName(subset), parseMemberName(node.name));
    return found && found.appliedRevision > 0 ? found : undefined;
  });
  return {
    ...{ node, client, session, local: `${address}:40000` },
    ...{ ipv4: admitted.place.ipv4, ipv6: admitted.place.ipv6 },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

type Sight = ConstructorParameters<typeof Introductions>[0]['gateway'];

/** Introductions that look when they are told to, over all else of the master. @param relay between any two */
function introducing(sight: Partial<Sight> = {}, relay?: OpenPair) {
  const stop = new AbortController();
  const clock = new ManualClock();
  const { log, lines } = capturedLog();
  const { hub, directory, subsets, whereabouts, gateway } = elbe.master;
  const count = { introduced: 0 };
  const relayed: string[] = [];
  const introductions = new Introductions({
    ...{ clock, log, hub, directory, subsets, whereabouts },
    gateway: {
      conversations: sight.conversations ?? (() => gateway.conversations()),
      begunConversations: sight.begunConversations ?? (() => gateway.begunConversations()),
    },
    meetings: new Meetings({ clock, hub, gateway, signal: stop.signal }),
    distant: { saw: () => false, clear: () => {} },
    relays: {
      open: async (...ends) => {
        relayed.push(...ends.map(({ endpoint }) => endpoint));
        return relay;
      },
    },
    onIntroduced: () => {
      count.introduced += 1;
    },
  });
  return { introductions, clock, lines, count, relayed };
}

const talk = (one: Address, other: Address) => {
  elbe.host.talks = [...elbe.host.talks, { one, other }];
};
const seeAt = ({ node }: Talker, endpoint: string, { nowMs }: { readonly nowMs: number }) =>
  seenAt.set(node.wireguardKey, { endpoint, atMs: nowMs });

/** Whoever has heard anything before this does not get it as the next message. */
async function assertSilent(...silent: readonly Talker[]): Promise<void> {
  for (const { client, session } of silent) {
    session.send({ type: 'report-paths' });
    await client.expect('report-paths');
  }
}

test('two members that talk are asked to the rendezvous, and introduced when both were seen there', async () => {
  await using anna = await talker();
  await using berta = await talker();
  const { introductions, clock, count } = introducing();
  talk(anna.ipv4, berta.ipv4);
  talk(berta.ipv6, anna.ipv6);
  await introductions.look();
  await Promise.all([anna.client.expect('meet'), berta.client.expect('meet')]);
  const rendezvous = elbe.host.state.interfaces.find(({ peers }) =>
    peers.some(({ publicKey, allowedIps }) => {
      return publicKey === anna.node.wireguardKey && allowedIps.length === 0;
    }),
  );
  assert.ok(rendezvous?.peers.some(({ publicKey }) => publicKey === berta.node.wireguardKey));

  seeAt(anna, '198.51.100.1:1111', { nowMs: clock.nowMs() });
  await introductions.look();
  await assertSilent(anna, berta);
  seeAt(berta, '198.51.100.2:2222', { nowMs: clock.nowMs() });
  await introductions.look();
  const toAnna = await anna.client.expect('introduce');
  const toBerta = await berta.client.expect('introduce');
  const expected = (whom: Talker, endpoint: string, isFirst: boolean) => ({
    ...{ type: 'introduce', name: whom.node.name, chain: whom.node.chain },
    ...{ ipv4: whom.ipv4, ipv6: whom.ipv6, candidates: [endpoint, whom.local], isFirst },
  });
  assert.deepEqual(toAnna, expected(berta, '198.51.100.2:2222', toAnna.isFirst));
  assert.deepEqual(toBerta, expected(anna, '198.51.100.1:1111', !toAnna.isFirst));
  assert.ok(anna.session.direct.holds(berta.node.wireguardKey));
  assert.equal(count.introduced, 1);

  await introductions.look();
  await assertSilent(anna, berta);
});

test('two that were both seen at the rendezvous are each told their port of the relay', async () => {
  await using anna = await talker();
  await using berta = await talker();
  const open = { firstPort: 61_000, secondPort: 61_001, kind: 'kernel' } as const;
  const { introductions, clock, relayed } = introducing({}, open);
  talk(anna.ipv4, berta.ipv4);
  await introductions.look();
  await Promise.all([anna.client.expect('meet'), berta.client.expect('meet')]);
  seeAt(anna, '198.51.100.1:1111', { nowMs: clock.nowMs() });
  seeAt(berta, '198.51.100.2:2222', { nowMs: clock.nowMs() });
  await introductions.look();
  const told = [await anna.client.expect('introduce'), await berta.client.expect('introduce')];
  const ports = told.map(({ isFirst, relayPort }) => [isFirst, relayPort]);
  assert.deepEqual(ports.sort(), [
    [false, open.secondPort],
    [true, open.firstPort],
  ]);
  assert.deepEqual(relayed.sort(), ['198.51.100.1:1111', '198.51.100.2:2222']);
});

test('two that were seen nowhere are introduced after two seconds, by what they say of themselves', async () => {
  await using anna = await talker();
  await using berta = await talker();
  const { introductions, clock, relayed } = introducing();
  talk(anna.ipv4, berta.ipv4);
  await introductions.look();
  await Promise.all([anna.client.expect('meet'), berta.client.expect('meet')]);
  // A handshake this old says where it was, not where it is.
  seeAt(anna, '198.51.100.1:1111', { nowMs: clock.nowMs() - 180_000 });
  clock.advance(1_999);
  await introductions.look();
  await assertSilent(anna, berta);
  clock.advance(1);
  await introductions.look();
  assert.deepEqual((await anna.client.expect('introduce')).candidates, [berta.local]);
  assert.deepEqual((await berta.client.expect('introduce')).candidates, [anna.local]);
  assert.deepEqual(relayed, []);
});

test('nobody is introduced to an older member, one of another subset, or an address of nobody', async () => {
  await using anna = await talker();
  await using older = await talker({ takesDirect: false });
  await using elsewhere = await talker({ subset: 'berlin' });
  const { introductions, clock } = introducing();
  talk(anna.ipv4, older.ipv4);
  talk(anna.ipv4, elsewhere.ipv4);
  talk(elsewhere.ipv6, anna.ipv6);
  talk(anna.ipv4, parseAddress('100.64.0.200'));
  talk(anna.ipv4, parseAddress('100.64.0.1'));
  talk(parseAddress('203.0.113.9'), anna.ipv4);
  await introductions.look();
  clock.advance(2_000);
  await introductions.look();
  await assertSilent(anna, older, elsewhere);
  assert.equal(introductions.size, 0);
});

test('a member that is suspended or away is introduced to nobody', async () => {
  await using anna = await talker();
  const [away, suspended] = [await talker(), await talker()];
  await using _suspended = suspended;
  await away[Symbol.asyncDispose]();
  const { name, subset } = suspended.session.member;
  const { roll } = elbe.subset('hamburg').state;
  const member = roll.findActive(name);
  assert.ok(member);
  roll.putMember({ ...member, state: 'suspended' });
  await until('it is away', () => !elbe.master.hub.find(subset, away.session.member.name));
  const { introductions } = introducing();
  talk(anna.ipv4, away.ipv4);
  talk(anna.ipv4, suspended.ipv4);
  await introductions.look();
  await assertSilent(anna, suspended);
});

test('a member that has as many direct peers as it can is left alone, until it has one less', async () => {
  await using full = await talker();
  await using anna = await talker();
  const paths = Array.from({ length: maxDirectPeers }, (_, index) => pathTo(`peer-${index}`));
  const report = (reported: readonly DirectPath[]) => {
    full.client.send({
      ...{ type: 'paths', paths: [...reported] },
      held: reported.map(({ peer }) => peer),
    });
    return until('the report', () => full.session.direct.paths.length === reported.length);
  };
  await report(paths);
  const { introductions } = introducing();
  talk(anna.ipv4, full.ipv4);
  await introductions.look();
  await assertSilent(full, anna);
  await report(paths.slice(1));
  await introductions.look();
  await Promise.all([full.client.expect('meet'), anna.client.expect('meet')]);
});

test('a younger certificate is told to those who have a direct path to the member, and to nobody else', async () => {
  await using anna = await talker();
  await using holder = await talker();
  await using stranger = await talker();
  holder.client.send({
    ...{ type: 'paths', paths: [pathTo(anna.node.name, anna.node.wireguardKey)] },
    held: [anna.node.wireguardKey],
  });
  await until('the report', () => holder.session.direct.holds(anna.node.wireguardKey));
  anna.client.send({ type: 'renew' });
  const { chain } = await anna.client.expect('renewed');
  assert.notEqual(chain[0], anna.node.chain[0]);
  const { name } = anna.node;
  assert.deepEqual(await holder.client.expect('introduce'), {
    ...{ type: 'introduce', name, chain, ipv4: anna.ipv4, ipv6: anna.ipv6 },
    ...{ candidates: [], isFirst: false },
  });
  await assertSilent(anna, stranger);
});

test('those who have just begun are looked at every time, the others now and then and when somebody has come', async () => {
  await using anna = await talker();
  await using berta = await talker();
  const asked: string[] = [];
  const conversations = [{ one: anna.ipv4, other: berta.ipv4 }];
  const { introductions, clock } = introducing({
    conversations: async () => {
      asked.push('all');
      return conversations;
    },
    begunConversations: async () => {
      asked.push('begun');
      return [];
    },
  });
  const lookAfter = async (passedMs: number) => {
    clock.advance(passedMs);
    await introductions.look();
    return asked.pop();
  };
  assert.equal(await lookAfter(0), 'all');
  assert.equal(await lookAfter(200), 'begun');
  assert.equal(await lookAfter(2_299), 'begun');
  assert.equal(await lookAfter(1), 'all');
  assert.equal(await lookAfter(200), 'begun');
  introductions.lookAtAll();
  assert.equal(await lookAfter(200), 'all');
  assert.equal(await lookAfter(200), 'begun');
  await Promise.all([anna.client.expect('meet'), berta.client.expect('meet')]);
});

test('a reading that fails is told once for each reason, and the next one counts', async () => {
  await using anna = await talker();
  await using berta = await talker();
  let read = async (): Promise<readonly Conversation[]> => [];
  const { introductions, clock, lines } = introducing({
    conversations: () => read(),
    begunConversations: () => read(),
  });
  const stop = new AbortController();
  const running = introductions.run(stop.signal);
  const nextLook = async () => {
    await until('it waits', () => clock.hasSleeper(200));
    clock.advance(200);
    await until('it has looked', () => clock.hasSleeper(200) || clock.hasSleeper(50));
  };
  const failing = async () => {
    throw new HostError('nft is gone', { code: 'missing-program', fields: { program: 'nft' } });
  };
  for (const attempt of [failing, failing, failing, read, failing]) {
    read = attempt;
    await nextLook();
  }
  assert.deepEqual(
    lines.map(({ level, msg, reason }) => [level, msg, reason]),
    Array(2).fill([40, 'cannot see who talks, so nobody is introduced', 'nft is gone']),
  );
  read = async () => [{ one: anna.ipv4, other: berta.ipv4 }];
  await nextLook();
  await Promise.all([anna.client.expect('meet'), berta.client.expect('meet')]);
  // While somebody is waited for the looks are close together.
  assert.ok(clock.hasSleeper(50));
  stop.abort();
  await running;
});

function pathTo(name: string, peer = createWireguardKeyPair().publicKey): DirectPath {
  return {
    ...{ peer, name: parseMemberName(name), state: 'direct', reason: 'packets come back' },
    ...{ ageMs: 1, tried: [] },
  };
}
