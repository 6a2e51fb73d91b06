import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { operatorName } from '../../../test/support/master-bed.ts';
import type { ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import {
  type DirectPath,
  maxDirectPeers,
  maxHeldPeers,
  type PathsMessage,
} from '../../api/direct-messages.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import { DirectSide } from './direct-side.ts';
import type { MemberSession } from './member-session.ts';

const hamburg = parseSubsetName('hamburg');

const lone = await startLoneMaster();
const { master: elbe } = lone;

const joined = (name: string) => joinedNode(name, lone);
const evict = (name: string) =>
  elbe
    .subset('hamburg')
    .departures.remove(parseMemberName(name), 'evicted', `operator:${operatorName}`);

interface Live extends AsyncDisposable {
  readonly client: ClientSession;
  /** The master's end. */
  readonly session: MemberSession;
}

function sayHello(client: ClientSession, peers: readonly WireguardPublicKey[], isNew = false) {
  const { revision, key } = elbe.view('hamburg');
  client.send({
    type: 'hello',
    ...(isNew
      ? { appliedRevision: 0, appliedEpoch: 0 }
      : { appliedRevision: revision, appliedEpoch: key.epoch }),
    direct: {
      port: 40_000,
      addresses: [],
      peers: [...peers],
      chain: ['-----BEGIN CERTIFICATE-----'],
    },
  });
}

/** A member that is up to date, and says that it holds these. */
async function live(name: string, peers: readonly SessionNode[] = []): Promise<Live> {
  const client = await (await joined(name)).connect(elbe.endpoint);
  sayHello(
    client,
    peers.map(({ wireguardKey }) => wireguardKey),
  );
  const session = await until('the session', () => {
    const found = elbe.master.hub.find(hamburg, parseMemberName(name));
    return found?.direct.contact ? found : undefined;
  });
  return { client, session, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

const pathTo = ({ wireguardKey: peer, name }: Pick<SessionNode, 'wireguardKey' | 'name'>) =>
  ({
    ...{ peer, name: parseMemberName(name), state: 'direct', reason: 'packets come back' },
    ...{ ageMs: 1, tried: [] },
  }) satisfies DirectPath;

const reportOf = (paths: readonly DirectPath[]): PathsMessage => ({
  ...{ type: 'paths', paths: [...paths] },
  held: paths.map(({ peer }) => peer),
});

async function report({ client, session }: Live, paths: readonly DirectPath[]): Promise<void> {
  const reported = session.direct.nextReport();
  client.send(reportOf(paths));
  await reported;
}

test('whoever holds a member that is put out hears so before the key that it does not get', async () => {
  const [evil, other] = [await joined('evil'), await joined('other')];
  await using byHello = await live('by-hello', [evil, other]);
  await using byReport = await live('by-report');
  await using introduced = await live('introduced');
  await using stranger = await live('stranger', [other]);
  await report(byReport, [pathTo(evil)]);
  introduced.session.direct.noteIntroduced(evil.wireguardKey, Date.now());
  await evict('evil');
  for (const { client } of [byHello, byReport, introduced]) {
    const { peers } = await client.expect('withdraw');
    assert.deepEqual(peers, [evil.wireguardKey]);
    await client.expect('key-changed');
  }
  await stranger.client.expect('key-changed');
  for (const { client } of [byHello, byReport, introduced, stranger]) {
    assert.deepEqual(client.messages, []);
  }
});

test('a member that comes back is told first which of its peers are members no more', async () => {
  const [gone, stays] = [await joined('gone'), await joined('stays')];
  const back = await joined('back');
  await evict('gone');
  const never = createWireguardKeyPair().publicKey;
  await using client = await back.connect(elbe.endpoint);
  sayHello(client, [gone.wireguardKey, stays.wireguardKey, never], true);
  assert.deepEqual((await client.expect('withdraw')).peers, [gone.wireguardKey, never]);
  await client.expect('view');
  sayHello(client, [stays.wireguardKey], true);
  await client.expect('view');
});

test('a member that holds more than one message tells of is told of all', async () => {
  const back = await joined('crowded');
  const gone = Array.from({ length: maxDirectPeers + 1 }, () => createWireguardKeyPair().publicKey);
  await using client = await back.connect(elbe.endpoint);
  sayHello(client, gone, true);
  const told = [await client.expect('withdraw'), await client.expect('withdraw')];
  assert.deepEqual(
    told.flatMap(({ peers }) => peers),
    gone,
  );
  await client.expect('view');
});

test('a peer by which nothing goes any more is held and withdrawn all the same', async () => {
  const evil = await joined('evil-3');
  await using holder = await live('holder-3');
  const reported = holder.session.direct.nextReport();
  holder.client.send({ type: 'paths', paths: [], held: [evil.wireguardKey] });
  await reported;
  await evict('evil-3');
  assert.deepEqual((await holder.client.expect('withdraw')).peers, [evil.wireguardKey]);
  await holder.client.expect('key-changed');
});

test('a peer that the member holds no longer is withdrawn from it no longer', async () => {
  const [evil, other] = [await joined('evil-2'), await joined('other-2')];
  await using holder = await live('holder', [evil, other]);
  await report(holder, [pathTo(other)]);
  await evict('evil-2');
  await holder.client.expect('key-changed');
  await evict('other-2');
  assert.deepEqual((await holder.client.expect('withdraw')).peers, [other.wireguardKey]);
});

test('who was introduced is held for a minute without a word of the member, and then as it reports', () => {
  const direct = new DirectSide();
  const peer = createWireguardKeyPair().publicKey;
  const other = createWireguardKeyPair().publicKey;
  direct.noteIntroduced(peer, 1_000);
  direct.notePaths(reportOf([]), 60_999);
  assert.ok(direct.holds(peer));
  direct.notePaths(reportOf([]), 61_000);
  assert.ok(!direct.holds(peer));

  direct.noteIntroduced(peer, 1_000);
  direct.notePaths(reportOf([pathTo({ wireguardKey: peer, name: 'peer' })]), 2_000);
  // Introduced anew, with a younger certificate: it is held as long as it is reported all the same.
  direct.noteIntroduced(peer, 3_000);
  direct.notePaths(reportOf([pathTo({ wireguardKey: other, name: 'other' })]), 4_000);
  assert.deepEqual([direct.holds(peer), direct.holds(other)], [false, true]);
});

test('sealed tunnels take no place of direct paths', () => {
  const direct = new DirectSide();
  const many = Array.from({ length: maxDirectPeers }, (_, index) => {
    const { publicKey: wireguardKey } = createWireguardKeyPair();
    return { wireguardKey, name: `peer-${index}` };
  });
  assert.equal(direct.hasRoom, false, 'it has not said where it is');
  const peers = many.map(({ wireguardKey }) => wireguardKey);
  direct.noteContact({ port: 40_000, addresses: [], peers, chain: [] }, 0);
  assert.equal(direct.hasRoom, true);
  direct.notePaths(reportOf(many.map(pathTo)), 0);
  assert.equal(direct.hasRoom, false);
});

test('whom another master has introduced for a sealed tunnel takes no place until the member names it', () => {
  const direct = new DirectSide();
  direct.noteContact({ port: 40_000, addresses: [], peers: [], chain: [] }, 0);
  const strangers = Array.from({ length: maxHeldPeers }, () => createWireguardKeyPair().publicKey);
  for (const stranger of strangers) direct.noteSealed(stranger, 0);
  assert.equal(direct.hasRoom, true);
  assert.ok(strangers.every((stranger) => direct.holds(stranger)));
  direct.notePaths({ type: 'paths', paths: [], held: strangers.slice(1) }, 60_000);
  assert.ok(!direct.holds(strangers[0] as WireguardPublicKey), 'not named within a minute');
  assert.ok(strangers.slice(1).every((stranger) => direct.holds(stranger)));
});
