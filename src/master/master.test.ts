import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FaultyStore } from '../../test/support/faulty-store.ts';
import { newcomer } from '../../test/support/governed-subset.ts';
import { invite } from '../../test/support/invite.ts';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { SessionNode } from '../../test/support/session-client.ts';
import { until } from '../../test/support/until.ts';
import { getStatus } from '../api/status-endpoints.ts';
import { addressCapacity, type Blocks, blockPairs } from '../core/addressing.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { memberKey } from '../store/keys.ts';
import { RollFollower } from './subset/roll-follower.ts';
import { readFailovers } from './subset/takeover-record.ts';

const hamburg = parseSubsetName('hamburg');
const berlin = parseSubsetName('berlin');
const actor = `operator:${operatorName}`;

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
let storeOfElbe: FaultyStore | undefined;
before(async () => {
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe', 'trave'], berlin: ['spree', 'elbe'] },
    ipv4BlockLength: 24,
  });
  elbe = await RunningMaster.start(bed, 'elbe', {
    wrapStore: (store) => {
      storeOfElbe = new FaultyStore(store);
      return storeOfElbe;
    },
  });
  spree = await RunningMaster.start(bed, 'spree');
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/** All that a master has been told by anybody: members, operators, masters, and the store. */
async function heard(master: RunningMaster): Promise<unknown> {
  return [await master.metrics.receivedCounts(), await master.metrics.storeEventCounts()];
}

test('a hundred joins and evictions in one subset reach no master that is not associated with it', async () => {
  const { token } = await invite(bed, 'hamburg', { uses: 101 });
  await (await new SessionNode('warm-up').join(elbe.endpoint, token)).session[
    Symbol.asyncDispose
  ]();
  const before = await heard(spree);
  const nodes = Array.from({ length: 100 }, (_, index) => new SessionNode(`node-${index}`));
  for (let start = 0; start < nodes.length; start += 10) {
    const sessions = await Promise.all(
      nodes.slice(start, start + 10).map((node) => node.join(elbe.endpoint, token)),
    );
    await Promise.all(sessions.map(({ session }) => session[Symbol.asyncDispose]()));
  }
  const { departures } = elbe.subset('hamburg');
  await Promise.all(
    nodes.map(({ name }) => departures.remove(parseMemberName(name), 'evicted', actor)),
  );
  // What is asked last is delivered last: by now everything would have arrived.
  await elbe.subset('hamburg').departures.rotate(actor);
  assert.deepEqual(await heard(spree), before);
  assert.deepEqual(await spree.metrics.receivedCounts(), []);
});

test('a master watches the directory and the rolls that it backs up, and nothing else', async () => {
  const operator = await bed.operator();
  const status = async (name: string) =>
    operator.call(getStatus, {}, { master: parseMasterName(name) });
  await until('the roll is followed', () => elbe.master.subsets.following().has(berlin));
  assert.deepEqual((await status('elbe')).watches, [
    'directory/',
    ...RollFollower.prefixesOf(berlin),
  ]);
  assert.deepEqual((await status('spree')).watches, ['directory/']);
});

test('a backup has the roll of its subset warm', async () => {
  const { token } = await invite(bed, 'berlin');
  const { session } = await new SessionNode('paula').join(spree.endpoint, token);
  await session[Symbol.asyncDispose]();
  const followed = await until('the roll', () => elbe.master.subsets.following().get(berlin));
  await until('the member', () => followed.served?.roll.findActive(parseMemberName('paula')));
});

test('a subset is acted for by its master and by nobody else', async () => {
  assert.throws(() => elbe.subset('berlin'), {
    code: 'not-acting',
    message: 'berlin is governed by spree: ask there',
  });
  const { token } = await invite(bed, 'berlin');
  await using session = await new SessionNode('quentin').askToJoin(elbe.endpoint, token);
  const refused = await session.expect('refused');
  assert.deepEqual([refused.code, refused.retryable], ['wrong-master', true]);
  assert.equal(elbe.master.hub.count(berlin), 0);
});

test('each master routes the other one’s blocks over the backbone, and has peers for the members of the subsets that it serves only', async () => {
  await elbe.master.gateway.refresh();
  const [towardsMembers, backbone] = elbe.host.state.interfaces;
  const own = elbe.master.directory.subsets.get(hamburg)?.record;
  const other = elbe.master.directory.subsets.get(berlin)?.record;
  const blocksOf = (record: Blocks) => blockPairs(record).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  const destinations = (routes = backbone?.routes) => routes?.map(({ destination }) => destination);
  assert.ok(own && other);
  assert.deepEqual(destinations(towardsMembers?.routes), blocksOf(own));
  const reached = elbe.host.state.interfaces.slice(1).flatMap(({ routes }) => destinations(routes));
  assert.deepEqual(reached, blocksOf(other));
  const served = elbe.master.subsets.serving();
  assert.deepEqual(served.map(({ subset }) => subset).sort(), [berlin, hamburg]);
  const members = served.reduce((sum, { roll }) => sum + roll.activeCount, 0);
  assert.equal(towardsMembers?.peers.length, members);
  assert.equal(spree.host.memberPeers.length, spree.subset('berlin').state.roll.activeCount);
});

test('the tunnels of a subset stay while its roll is read anew', async () => {
  await elbe.master.gateway.refresh();
  const peers = elbe.host.memberPeers;
  assert.ok(peers.length > 0);
  const former = elbe.subset('hamburg');
  storeOfElbe?.faults.push('answer lost');
  await assert.rejects(former.departures.rotate(actor), { code: 'unavailable' });
  await until('the subset is let go', () => elbe.master.subsets.find(hamburg) !== former);
  await elbe.master.gateway.refresh();
  assert.deepEqual(
    elbe.host.memberPeers.map(({ publicKey }) => publicKey),
    peers.map(({ publicKey }) => publicKey),
  );
  await until('it acts again', () => {
    const found = elbe.master.subsets.find(hamburg);
    return found !== undefined && found !== former;
  });
  const { key } = elbe.subset('hamburg').state;
  assert.equal(key.epoch, former.state.key.epoch + 1, 'the rotation whose answer was lost');
});

test('a change that arrives after the roll was read anew is not made, and the master stays', async () => {
  const { token } = await invite(bed, 'hamburg');
  const former = elbe.subset('hamburg');
  const { takenCount } = former.state.roll;
  const failovers = () => readFailovers(hamburg, 10, bed.store);
  const before = await failovers();
  storeOfElbe?.faults.push('late');
  await using session = await new SessionNode('viola').askToJoin(elbe.endpoint, token);
  assert.equal((await session.expect('refused')).retryable, true);
  const acting = await until('it acts again', () => {
    const found = elbe.master.subsets.find(hamburg);
    return found === former ? undefined : found;
  });
  assert.equal(acting.state.roll.takenCount, takenCount);
  assert.deepEqual(await storeOfElbe?.arrive(), [false]);
  assert.equal(await bed.store.get(memberKey(hamburg, parseMemberName('viola'))), undefined);
  const joined = await new SessionNode('viola').join(elbe.endpoint, token);
  await joined.session[Symbol.asyncDispose]();
  assert.deepEqual(await failovers(), before);
});

test('members of a subset that is read anew keep their sessions and get the newest key', async () => {
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode('rosa');
  const { session } = await node.join(elbe.endpoint, token);
  await using _ = session;
  const former = elbe.subset('hamburg');
  storeOfElbe?.faults.push('answer lost');
  await assert.rejects(former.departures.rotate(actor), { code: 'unavailable' });
  const { key } = await session.expect('key-changed');
  assert.equal(key.epoch, former.state.key.epoch + 1);
});

test('a subset that fills up gets one more block, which every master routes', async () => {
  const before = elbe.subset('hamburg').state.record.ipv4Blocks.length;
  const { admissions, invites, state } = elbe.subset('hamburg');
  const free = addressCapacity(state.record.ipv4Blocks) - state.roll.takenCount;
  const { id } = await invites.create({ uses: free, lifetimeMs: 60_000, createdBy: operatorName });
  const nodes = Array.from({ length: free - 5 }, (_, index) => newcomer(`full-${index}`));
  await Promise.all(nodes.map((node) => admissions.admit(id, node)));
  for (let times = 0; times < 10; times += 1) elbe.subset('hamburg').growIfNeeded();
  await until('the block is known to the other master', () => {
    const record = spree.master.directory.subsets.get(hamburg)?.record;
    return record && record.ipv4Blocks.length > before;
  });
  await elbe.subset('hamburg').departures.rotate(actor);
  const record = await until('the block', () => elbe.subset('hamburg').state.record);
  assert.equal(record.ipv4Blocks.length, before + 1);
});
