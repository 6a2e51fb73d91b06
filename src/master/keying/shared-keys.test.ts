import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FaultyStore } from '../../../test/support/faulty-store.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { changeKeying } from '../../api/key-endpoints.ts';
import { parseMemberName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import {
  type KeyingMode,
  type KeyingPhase,
  type KeyingRecord,
  maxDeparted,
} from '../../model/records/directory.ts';
import { keyingKey, sharedKeyKey } from '../../store/keys.ts';
import type { Transaction, TransactionResult } from '../../store/store.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { openSharedKey, type SharedKey } from './shared-key.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
beforeEach(() => start('per-subset'));
afterEach(() => stop());

async function start(keying: KeyingMode): Promise<void> {
  bed = await MasterBed.create({ keying, subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
}

async function stop(): Promise<void> {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
}

const hamburg = () => elbe.subset('hamburg');
const berlin = () => spree.subset('berlin');
const actor = 'operator:ada';

async function goTo(phase: KeyingPhase): Promise<void> {
  const operator = await bed.operator();
  await operator.call(changeKeying, { body: { phase } });
}

/** The key of both subsets, once it is one. */
const oneKey = (leastEpoch: number): Promise<StoredGroupKey> =>
  until(`one key of epoch ${leastEpoch}`, () => {
    const [one, other] = [hamburg().state.key, berlin().state.key];
    const isOne = one.groupKey === other.groupKey && one.epoch === other.epoch;
    return isOne && one.epoch >= leastEpoch && one;
  });

async function storedKey(): Promise<SharedKey> {
  const entry = await bed.store.get(sharedKeyKey);
  assert.ok(entry);
  return openSharedKey(entry, bed.sealingKey);
}

/** A member that has joined, and has no session. */
async function joined(name: string, subset: string, master: RunningMaster): Promise<SessionNode> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, subset);
  const { session } = await node.join(master.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}

test('all subsets get one key, in an epoch that none of them has had', async () => {
  await hamburg().departures.rotate(actor);
  const before = [hamburg().state.key, berlin().state.key];
  assert.deepEqual(
    before.map(({ epoch }) => epoch),
    [2, 1],
  );
  await goTo('changing');
  const { groupKey, epoch } = await oneKey(3);
  assert.ok(before.every((key) => key.groupKey !== groupKey));
  assert.deepEqual(
    [elbe.view('hamburg').key, spree.view('berlin').key],
    [
      { epoch, groupKey },
      { epoch, groupKey },
    ],
  );
  assert.deepEqual(
    [elbe.view('hamburg').keying, spree.view('berlin').keying],
    ['changing', 'changing'],
  );
});

test('a VPN that was made for one key has it as soon as its masters run', async () => {
  await stop();
  await start('shared');
  const { groupKey } = await oneKey(2);
  assert.equal((await storedKey()).groupKey, groupKey);
  assert.equal(elbe.view('hamburg').keying, 'shared');
});

test('whoever is put out of one subset leaves all of them a newer key, and is told of to all', async () => {
  const node = await joined('evil', 'hamburg', elbe);
  await goTo('changing');
  const before = await oneKey(2);
  await hamburg().departures.remove(parseMemberName('evil'), 'evicted', actor);
  const after = await oneKey(before.epoch + 1);
  assert.notEqual(after.groupKey, before.groupKey);
  const departed = await until('berlin’s master hears who it was', () => {
    const { sharedKey } = spree.master.directory;
    return sharedKey && sharedKey.epoch >= after.epoch && sharedKey.departed;
  });
  assert.deepEqual(
    departed.map(({ key }) => key),
    [node.wireguardKey],
  );
});

/** A member of berlin that is up to date, and says that it has a tunnel to the other one. */
async function holderOf(held: SessionNode, node: SessionNode): Promise<ClientSession> {
  const client = await node.connect(spree.endpoint);
  const { revision, key } = spree.view('berlin');
  client.send({
    ...{ type: 'hello', appliedRevision: revision, appliedEpoch: key.epoch },
    direct: { port: 40_000, addresses: [], peers: [held.wireguardKey], chain: [...node.chain] },
  });
  return client;
}

test('who has a tunnel to a member of another subset hears of its end before it hears of the key', async () => {
  const evil = await joined('evil', 'hamburg', elbe);
  const holder = await joined('holder', 'berlin', spree);
  await goTo('changing');
  await oneKey(2);
  await using client = await holderOf(evil, holder);
  await until('the session', () =>
    [...spree.master.hub.sessions()].some(({ direct }) => direct.holds(evil.wireguardKey)),
  );
  await hamburg().departures.remove(parseMemberName('evil'), 'evicted', actor);
  assert.deepEqual((await client.expect('withdraw')).peers, [evil.wireguardKey]);
  await client.expect('key-changed');

  // Who was away meanwhile hears of it first of all.
  await client[Symbol.asyncDispose]();
  await using again = await holderOf(evil, holder);
  assert.deepEqual((await again.expect('withdraw')).peers, [evil.wireguardKey]);
});

test('two subsets that rotate at the same moment end up with one key that is newer than both', async () => {
  await goTo('changing');
  const { epoch } = await oneKey(2);
  const rotated = await Promise.all([
    hamburg().departures.rotate(actor),
    berlin().departures.rotate(actor),
  ]);
  const newest = Math.max(...rotated.map((key) => key.epoch));
  assert.ok(newest > epoch);
  const { groupKey } = await oneKey(newest);
  assert.equal((await storedKey()).groupKey, groupKey);
});

test('back to keys of their own, no subset keeps the one that others have', async () => {
  await goTo('changing');
  const shared = await oneKey(2);
  await goTo('shared');
  await goTo('changing');
  assert.equal((await oneKey(2)).groupKey, shared.groupKey);
  await goTo('per-subset');
  await until('they have parted', () => {
    const keys = [hamburg(), berlin()].map(({ state }) => state.key.groupKey);
    return new Set([...keys, shared.groupKey]).size === 3;
  });
  await goTo('changing');
  const again = await oneKey(shared.epoch + 1);
  assert.notEqual(again.groupKey, shared.groupKey);
});

test('a master that was away takes the key that the others have by then', async () => {
  await spree[Symbol.asyncDispose]();
  await goTo('changing');
  await until('hamburg has it', () => hamburg().state.key.epoch > 1);
  await hamburg().departures.rotate(actor);
  await until('it is everybody’s', () => {
    return elbe.master.directory.sharedKey?.epoch === hamburg().state.key.epoch;
  });
  spree = await RunningMaster.start(bed, 'spree');
  const { groupKey } = await oneKey(3);
  assert.equal(groupKey, elbe.master.directory.sharedKey?.groupKey);
});

test('a subset that was ahead of the others keeps its own key to itself', async () => {
  for (const _ of [1, 2, 3]) await hamburg().departures.rotate(actor);
  const { epoch, groupKey: own } = hamburg().state.key;
  await elbe[Symbol.asyncDispose]();
  await goTo('changing');
  await until('berlin has one', () => spree.master.directory.sharedKey !== undefined);
  elbe = await RunningMaster.start(bed, 'elbe');
  assert.notEqual((await oneKey(epoch + 1)).groupKey, own);
});

test('so it does where the clock by which the mode was changed is behind its own', async () => {
  for (const _ of [1, 2, 3]) await hamburg().departures.rotate(actor);
  const { epoch, groupKey: own } = hamburg().state.key;
  await elbe[Symbol.asyncDispose]();
  const record: KeyingRecord = { version: 1, phase: 'changing', by: actor, atMs: 1 };
  await bed.store.transact({ if: [], then: [{ put: keyingKey, value: encodeRecord(record) }] });
  await until('berlin has one', () => spree.master.directory.sharedKey !== undefined);
  elbe = await RunningMaster.start(bed, 'elbe');
  const { groupKey } = await oneKey(epoch + 1);
  assert.notEqual(groupKey, own);
});

test('the key that a subset makes after it had that of all is everybody’s next', async () => {
  await goTo('changing');
  await goTo('shared');
  await until('elbe has heard', () => elbe.master.directory.keyingPhase === 'shared');
  const { epoch } = await oneKey(2);
  await until('elbe has seen it', () => elbe.master.directory.sharedKey?.epoch === epoch);
  await elbe.master.sharedKeys.reconcile();
  const next = await hamburg().departures.rotate(actor);
  assert.equal(next.epoch, epoch + 1);
  assert.equal((await oneKey(epoch + 1)).groupKey, next.groupKey);
});

/** A store that takes everything but shared keys, while it is told so, and counts these. */
class StubbornStore extends FaultyStore {
  refusesSharedKeys = false;
  sharedKeys = 0;

  override transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult> {
    const isShared = transaction.then.some((step) => 'put' in step && step.put === sharedKeyKey);
    if (isShared) this.sharedKeys += 1;
    if (isShared && this.refusesSharedKeys) this.faults.push('not applied');
    return super.transact(transaction, signal);
  }
}

/** Of berlin's master, from now on. */
async function stubbornStore(): Promise<StubbornStore> {
  await spree[Symbol.asyncDispose]();
  let store: StubbornStore | undefined;
  spree = await RunningMaster.start(bed, 'spree', {
    wrapStore: (inner) => (store = new StubbornStore(inner)),
  });
  assert.ok(store);
  return store;
}

test('whoever is put out is told of to all, even when the key of all is past that already', async () => {
  const store = await stubbornStore();
  const node = await joined('evil', 'berlin', spree);
  await goTo('changing');
  const { epoch } = await oneKey(2);
  store.refusesSharedKeys = true;
  await berlin().departures.remove(parseMemberName('evil'), 'evicted', actor);
  await hamburg().departures.rotate(actor);
  store.refusesSharedKeys = false;
  await hamburg().departures.rotate(actor);
  await oneKey(epoch + 2);
  const departed = (await storedKey()).departed.map(({ key }) => key);
  assert.deepEqual(departed, [node.wireguardKey]);
});

test('where more have left than can be told of, a subset takes the key of all as others do', async () => {
  const store = await stubbornStore();
  await joined('evil', 'berlin', spree);
  await berlin().departures.remove(parseMemberName('evil'), 'evicted', actor);
  const evil = berlin().state.roll.findByName(parseMemberName('evil'));
  assert.ok(evil);
  for (const { roll } of [hamburg().state, berlin().state]) {
    for (let index = 1; index < maxDeparted; index += 1) {
      const name = parseMemberName(`evil-${index}`);
      const keys = { acting: createWireguardKeyPair().publicKey };
      roll.putMember({ ...evil, name, keys, addressIndex: evil.addressIndex + index });
    }
  }
  await goTo('changing');
  const { epoch } = await oneKey(2);
  await until('all are told of', async () => (await storedKey()).departed.length === maxDeparted);
  const before = store.sharedKeys;
  await hamburg().departures.rotate(actor);
  await oneKey(epoch + 1);
  assert.equal(store.sharedKeys, before);
});

test('a subset that cannot be written to keeps no other subset of its master from the key', async () => {
  await using both = await MasterBed.create({ subsets: { berlin: ['elbe'], hamburg: ['elbe'] } });
  await using master = await RunningMaster.start(both, 'elbe');
  const [first, second] = await until('both subsets', () => {
    const acting = master.master.subsets.acting();
    return acting.length === 2 && acting;
  });
  assert.ok(first && second);
  await first.state.close();
  await (await both.operator()).call(changeKeying, { body: { phase: 'changing' } });
  const { directory } = master.master;
  const isKeyOfAll = () => directory.sharedKey?.groupKey === second.state.key.groupKey;
  await until('the other one has the key', isKeyOfAll);
  await second.departures.rotate(actor);
  await until('its next one is that of all', isKeyOfAll);
});
