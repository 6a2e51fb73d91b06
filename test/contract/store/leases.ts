import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidInputError } from '../../../src/model/error.ts';
import type { Change, LeaseId, Store, WatchBatch } from '../../../src/store/store.ts';
import { bytes, currentRevision, put, StoreBed, type StoreHarness } from './store-bed.ts';
import { eventually, within } from './wait.ts';
import { isStoreError } from './watches.ts';
import { type OpenWatch, openWatch, revisionOf, takeBatches, takeChanges } from './watching.ts';

const ttlMs = 1_000;

/** That a lease ends neither early nor late, whoever held it. */
export function describeLeases(harness: StoreHarness): void {
  describe('leases', { concurrency: true }, () => {
    test('a key goes when its lease ends, not before, and watches are told', async () => {
      await using bed = await StoreBed.create(harness);
      const [holder, watcher] = [await bed.open(), await bed.open()];
      const startedMs = performance.now();
      const lease = await holder.grantLease(ttlMs);
      const afterRevision = await putBound(holder, lease, ['held/a', 'held/b']);
      assert.equal((await watcher.get('held/a'))?.lease, lease);
      const batches = await takeBatches(watcher, { prefixes: ['held/'], afterRevision }, 2);
      assert.ok(performance.now() - startedMs >= ttlMs, 'it ended before its time');
      const [batch] = batches;
      const revision = batch?.revision ?? 0;
      assert.ok(revision > afterRevision);
      assert.deepEqual(
        batch?.changes.toSorted((one, other) =>
          JSON.stringify(one) < JSON.stringify(other) ? -1 : 1,
        ),
        [
          { kind: 'delete', key: 'held/a', revision },
          { kind: 'delete', key: 'held/b', revision },
        ],
      );
      assert.equal(await holder.get('held/a'), undefined);
    });

    test('a key goes also when nobody watches', async () => {
      await using bed = await StoreBed.create(harness);
      const [holder, reader] = [await bed.open(), await bed.open()];
      const lease = await holder.grantLease(ttlMs);
      await putBound(holder, lease, ['key']);
      await eventually('the key is gone', async () => !(await reader.get('key')));
      const result = await reader.transact({
        if: [{ key: 'key', createRevision: 0 }],
        then: [{ put: 'key', value: bytes('next') }],
      });
      assert.ok(result.succeeded);
    });

    test('a lease lasts as long as it is kept alive', async () => {
      await using bed = await StoreBed.create(harness);
      const [holder, watcher] = [await bed.open(), await bed.open()];
      const [kept, witness] = [await holder.grantLease(ttlMs), await holder.grantLease(ttlMs)];
      const afterRevision = await putBound(holder, kept, ['kept']);
      await putBound(holder, witness, ['witness']);
      // The witness ends after the lease would have, if this had not started its time anew.
      const stop = new AbortController();
      const keeping = keepAlive(watcher, kept, stop.signal);
      const changes = await takeChanges(watcher, { prefixes: ['witness'], afterRevision }, 2);
      assert.equal(changes[1]?.kind, 'delete');
      assert.ok(await holder.get('kept'));
      stop.abort();
      await keeping;
      await eventually('the key is gone', async () => !(await holder.get('kept')));
    });

    test('what comes after the end of a lease is told so', async () => {
      await using bed = await StoreBed.create(harness);
      const [holder, other] = [await bed.open(), await bed.open()];
      const ending = await holder.grantLease(ttlMs);
      await putBound(holder, ending, ['key']);
      await eventually('the key is gone', async () => !(await other.get('key')));
      const revoked = await holder.grantLease(ttlMs);
      await other.revokeLease(revoked);
      for (const lease of [ending, revoked, 'never granted' as LeaseId]) {
        await assert.rejects(holder.keepLeaseAlive(lease), isStoreError('lease-ended'));
        const then = [
          { put: 'plain', value: bytes('x') },
          { put: 'bound', value: bytes('x'), lease },
        ];
        await assert.rejects(holder.transact({ if: [], then }), isStoreError('lease-ended'));
        await other.revokeLease(lease);
      }
      assert.deepEqual((await holder.range('')).entries, []);
    });

    test('revoking a lease deletes its keys at once and no others', async () => {
      await using bed = await StoreBed.create(harness);
      const [holder, other] = [await bed.open(), await bed.open()];
      const [lease, stays] = [await holder.grantLease(60_000), await holder.grantLease(60_000)];
      assert.notEqual(lease, stays);
      await putBound(holder, lease, ['a', 'b', 'rebound', 'unbound']);
      await putBound(holder, stays, ['rebound', 'other']);
      const afterRevision = await put(holder, 'unbound');
      await other.revokeLease(lease);
      const left = (await holder.range('')).entries.map((entry) => [entry.key, entry.lease]);
      assert.deepEqual(left, [
        ['other', stays],
        ['rebound', stays],
        ['unbound', undefined],
      ]);
      const changes = await takeChanges(other, { prefixes: [''], afterRevision }, 2);
      assert.deepEqual(
        changes.map((change) => change.kind),
        ['delete', 'delete'],
      );
    });

    test('a lease ends though its holder is dead', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const process = await bed.startProcess();
      const afterRevision = await currentRevision(store);
      process.tell({ kind: 'hold', key: 'held', ttlMs });
      await process.reported('held');
      await process.kill();
      const changes = await takeChanges(store, { prefixes: ['held'], afterRevision }, 2);
      assert.deepEqual(
        changes.map((change) => change.kind),
        ['put', 'delete'],
      );
    });

    test('a lease goes on while nobody has the store open, and ends all the same', async () => {
      await using bed = await StoreBed.create(harness);
      const first = await bed.open();
      const [long, short] = [await first.grantLease(60_000), await first.grantLease(ttlMs)];
      await putBound(first, long, ['long']);
      await putBound(first, short, ['short']);
      await first[Symbol.asyncDispose]();
      const second = await bed.open();
      await second.keepLeaseAlive(long);
      await eventually('the short one is over', async () => !(await second.get('short')));
      assert.equal((await second.get('long'))?.lease, long);
    });

    test('a holder that was stopped until its lease was over writes nothing more', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const holder = await bed.startProcess();
      const afterRevision = await currentRevision(store);
      holder.tell({ kind: 'act', key: 'held', ttlMs: 2_000 });
      await holder.reported('acknowledged', 5);
      await using watch = openWatch(store, { prefixes: ['held'], afterRevision });
      holder.pause();
      const deleted = await changeOf(watch, (change) => change.kind === 'delete');
      holder.resume();
      await holder.reported('deposed');
      const written = await store.get('held/written');
      assert.ok(written && written.modRevision < revisionOf(deleted), 'a late write was made');
    });

    test('keeping a lease and ending an empty one are no changes', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const before = await put(store, 'key');
      const lease = await store.grantLease(ttlMs);
      await store.keepLeaseAlive(lease);
      await store.revokeLease(lease);
      assert.equal(await currentRevision(store), before);
      await using watch = openWatch(store, { prefixes: [''], afterRevision: before });
      const next = watch.iterator.next();
      const revision = await put(store, 'key');
      assert.equal((await within('a change', next)).value.revision, revision);
    });

    test('a lease shorter than every store can grant is refused', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      for (const bad of [0, 999, 1_000.5, Number.NaN, Number.POSITIVE_INFINITY])
        await assert.rejects(store.grantLease(bad), InvalidInputError);
    });
  });
}

/** The first one that is so. */
async function changeOf(
  { iterator }: OpenWatch,
  isIt: (change: Change) => boolean,
): Promise<Change> {
  for (;;) {
    const { value } = await within('a change', iterator.next());
    const found = (value as WatchBatch).changes.find(isIt);
    if (found) return found;
  }
}

async function putBound(store: Store, lease: LeaseId, keys: readonly string[]): Promise<number> {
  const then = keys.map((key) => ({ put: key, value: bytes('bound'), lease }));
  const { revision } = await store.transact({ if: [], then });
  return revision;
}

async function keepAlive(store: Store, lease: LeaseId, stop: AbortSignal): Promise<void> {
  await eventually('it is to stop', async () => {
    await store.keepLeaseAlive(lease);
    return stop.aborted;
  });
}
