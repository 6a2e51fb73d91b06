import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Change } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { WatchedChanges } from '../support/etcd/watched-changes.ts';
import { WriteLoad } from '../support/etcd/write-load.ts';

/** Of one attempt: what holds a lease has two of them before it ends. */
const holderPatienceMs = 1_000;
const everything = { prefixes: ['load/'], afterRevision: 1 };

test('the leader is killed: nothing acknowledged is lost, nothing is made twice, no change unseen', async (t) => {
  await using cluster = await EtcdCluster.start({ members: 3 });
  await using store = await openStore(cluster.url('/faults'));
  await using watcher = await openStore(cluster.url('/faults'));
  await using seen = new WatchedChanges(watcher, everything);
  await using load = WriteLoad.start(store);
  for (let round = 0; round < 2; round += 1) {
    await load.more(300);
    const leader = await cluster.leader();
    await leader.kill();
    await load.more(300);
    await leader.restart();
  }
  await load.stop();
  await seen.checkAll(await load.check(store));
  t.diagnostic(describe(load));
});

test('the leader stops and goes on: nothing is lost or made twice', async (t) => {
  await using cluster = await EtcdCluster.start({ members: 3 });
  await using store = await openStore(cluster.url('/faults'));
  await using watcher = await openStore(cluster.url('/faults'));
  await using seen = new WatchedChanges(watcher, everything);
  await using load = WriteLoad.start(store);
  await load.more(300);
  const leader = await cluster.leader();
  await leader.pause();
  await load.more(300);
  assert.notEqual(await cluster.leader(), leader);
  await leader.resume();
  await load.more(300);
  await load.stop();
  await seen.checkAll(await load.check(store));
  t.diagnostic(describe(load));
});

test('members stop one after the other under a watch, and its consumer is slow: it sees each change once', async (t) => {
  await using cluster = await EtcdCluster.start({ members: 3, tuning: 'fast' });
  await using store = await openStore(cluster.url('/faults'));
  await using watcher = await openStore(cluster.url('/faults'));
  await using seen = new WatchedChanges(watcher, everything, () => delay(2));
  await using load = WriteLoad.start(store, 4);
  for (const member of cluster.members) {
    await load.more(100);
    await member.pause();
    await load.more(100);
    await member.resume();
    await load.more(100);
    await member.restart();
  }
  await load.stop();
  await seen.checkAll(await load.check(store));
  t.diagnostic(describe(load));
});

test('a member falls silent: leases of those who ask it, and nothing else, are kept alive', async () => {
  await using cluster = await EtcdCluster.start({ members: 3 });
  // Each begins with a member of its own choice.
  await using stores = new AsyncDisposableStack();
  const holders = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const store = stores.use(await openStore(cluster.url('/faults')));
      return { store, lease: await store.grantLease(60_000) };
    }),
  );
  const leader = await cluster.leader();
  await cluster.members.find((member) => member !== leader)?.pause();
  const attempt = ({ store, lease }: (typeof holders)[number]) =>
    store.keepLeaseAlive(lease, AbortSignal.timeout(holderPatienceMs));
  await Promise.all(holders.map((holder) => attempt(holder).catch(() => attempt(holder))));
});

test('all members are killed and started again: what was acknowledged is there, and watches go on', async (t) => {
  await using cluster = await EtcdCluster.start({ members: 3, tuning: 'fast' });
  await using store = await openStore(cluster.url('/faults'));
  await using seen = new WatchedChanges(store, everything);
  await using load = WriteLoad.start(store);
  await load.more(300);
  await Promise.all(cluster.members.map((member) => member.kill()));
  await assert.rejects(store.get('key'), isUnavailable(/out of reach.*ECONNREFUSED/));
  await Promise.all(cluster.members.map((member) => member.restart()));
  await load.more(300);
  await load.stop();
  await seen.checkAll(await load.check(store));
  t.diagnostic(describe(load));
});

test('most members are dead: changes are refused, reads go on, and nothing refused turns up later', async () => {
  await using cluster = await EtcdCluster.start({ members: 3, tuning: 'fast' });
  await using store = await openStore(cluster.url('/faults'));
  const before = await store.transact({
    if: [],
    then: [{ put: 'key', value: Buffer.from('old') }],
  });
  const [first, second] = cluster.members;
  await Promise.all([first?.kill(), second?.kill()]);
  assert.equal((await store.get('key'))?.modRevision, before.revision);
  assert.equal((await store.range('')).entries.length, 1);
  await using late = await openStore(cluster.url('/faults'));
  assert.equal((await late.get('key'))?.modRevision, before.revision);
  const change = { if: [], then: [{ put: 'key', value: Buffer.from('new') }] };
  await assert.rejects(store.transact(change), isUnavailable(/no leader/));
  await assert.rejects(store.grantLease(5_000), isUnavailable(/no leader/));
  await Promise.all([first?.restart(), second?.restart()]);
  assert.equal((await store.get('key'))?.modRevision, before.revision);
});

test('history is compacted under a watch that is behind: it says so, after what it had', async () => {
  await using cluster = await EtcdCluster.start({ members: 1 });
  await using store = await openStore(cluster.url('/faults'));
  const { revision: afterRevision } = await store.range('');
  const watch = store.watch({ prefixes: [''], afterRevision }, new AbortController().signal);
  const iterator = watch[Symbol.asyncIterator]();
  const value = Buffer.alloc(20_000);
  // Far more than connections and streams hold.
  const put = (number: number) => store.transact({ if: [], then: [{ put: `${number}`, value }] });
  await put(0);
  const { value: first } = await iterator.next();
  assert.equal(first.revision, afterRevision + 1);
  for (let number = 1; number <= 3_000; number += 100)
    await Promise.all(Array.from({ length: 100 }, (_, index) => put(number + index)));
  await store.compact(afterRevision + 3_001);
  let revision = first.revision;
  const readOn = async (): Promise<void> => {
    for (;;) {
      const { value: batch } = await iterator.next();
      assert.equal(revisionsOf(batch.changes)[0], revision + 1, 'a change was skipped');
      revision = batch.revision;
    }
  };
  await assert.rejects(
    readOn(),
    (error) => error instanceof StoreError && error.code === 'compacted',
  );
  assert.ok(revision < afterRevision + 3_001);
});

function revisionsOf(changes: readonly Change[]): number[] {
  return changes.map((change) =>
    change.kind === 'put' ? change.entry.modRevision : change.revision,
  );
}

function isUnavailable(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, message);
    return true;
  };
}

function describe(load: WriteLoad): string {
  const gapMs = Math.round(load.longestGapMs);
  return `${load.acknowledged.length} acknowledged, ${load.failures} failed, ${load.madeAllTheSame} of these made all the same; the longest gap was ${gapMs} ms`;
}
