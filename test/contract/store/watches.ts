import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidInputError } from '../../../src/model/error.ts';
import type { Change, Store } from '../../../src/store/store.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import {
  bytes,
  currentRevision,
  put,
  putAll,
  remove,
  StoreBed,
  type StoreHarness,
} from './store-bed.ts';
import { eventually, within } from './wait.ts';
import {
  type OpenWatch,
  openWatch,
  revisionOf,
  summaries,
  takeBatches,
  takeChanges,
} from './watching.ts';

/** That a watch delivers everything once, in order, from wherever it starts, and ends when told to. */
export function describeWatches(harness: StoreHarness): void {
  describe('watches', { concurrency: true }, () => {
    test('a watch can be resumed from every revision', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const start = await currentRevision(store);
      await writeHistory(store, 60);
      const all = await takeChanges(store, { prefixes: [''], afterRevision: start }, 180);
      const revisions = [start, ...new Set(all.map(revisionOf))];
      await Promise.all(
        revisions.map(async (afterRevision) => {
          const expected = all.filter((change) => revisionOf(change) > afterRevision);
          const options = { prefixes: [''], afterRevision };
          const found = await takeChanges(store, options, expected.length);
          assert.deepEqual(summaries(found), summaries(expected));
        }),
      );
    });

    test('only changes under the prefixes are delivered, each once though prefixes overlap', async () => {
      await using bed = await StoreBed.create(harness);
      const [store, writer] = [await bed.open(), await bed.open()];
      const afterRevision = await currentRevision(store);
      for (const key of ['a', 'a/', 'a/b', 'a0', 'ab/', 'b/x', 'c/%', 'c/_', 'cx']) {
        await put(writer, key);
        await remove(writer, key);
      }
      await put(writer, 'a/end');
      const options = { prefixes: ['a/', 'a/b', 'c/%'], afterRevision };
      const changes = await takeChanges(store, options, 7);
      assert.deepEqual(changes.map(keyAndKind), [
        'put a/',
        'delete a/',
        'put a/b',
        'delete a/b',
        'put c/%',
        'delete c/%',
        'put a/end',
      ]);
    });

    test('a batch never splits a revision, and keeps the order of the operations', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const afterRevision = await currentRevision(store);
      const names = ['z', 'a', 'm', 'b'];
      for (let round = 0; round < 40; round += 1)
        await store.transact({
          if: [],
          then: names.map((key) => ({ put: key, value: bytes('x') })),
        });
      const batches = await takeBatches(store, { prefixes: [''], afterRevision }, 160);
      let last = afterRevision;
      for (const batch of batches) {
        assert.equal(batch.changes.length % names.length, 0);
        assert.deepEqual(batch.changes.slice(0, 4).map(keyOf), names);
        assert.ok(batch.changes.every((change) => revisionOf(change) > last));
        last = batch.revision;
        assert.ok(batch.changes.every((change) => revisionOf(change) <= last));
      }
    });

    test('a batch never splits a revision, however large', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const afterRevision = await currentRevision(store);
      const value = new Uint8Array(10_000).fill(7);
      const then = Array.from({ length: 99 }, (_, index) => ({ put: `k/${index}`, value }));
      for (let round = 0; round < 8; round += 1) await store.transact({ if: [], then });
      const batches = await takeBatches(store, { prefixes: ['k/'], afterRevision }, 8 * 99);
      for (const { changes } of batches) assert.equal(changes.length % 99, 0);
      const revisions = batches.flatMap(({ changes }) => changes.map(revisionOf));
      assert.deepEqual(
        revisions,
        revisions.toSorted((one, other) => one - other),
      );
      assert.equal(revisions.length, 8 * 99);
    });

    test('a watch that starts at a range result misses nothing while others write', async () => {
      await using bed = await StoreBed.create(harness);
      const [store, writer] = [await bed.open(), await bed.open()];
      const writing = Promise.all(Array.from({ length: 300 }, (_, n) => put(writer, `k/${n}`)));
      await eventually('something has been written', async () => (await keyCount(store)) > 0);
      const { entries, revision } = await store.range('k/');
      const options = { prefixes: ['k/'], afterRevision: revision };
      const changes = await takeChanges(store, options, 300 - entries.length);
      await writing;
      const seen = [...entries.map((entry) => entry.key), ...changes.map(keyOf)];
      assert.deepEqual(seen.sort(), Array.from({ length: 300 }, (_, n) => `k/${n}`).sort());
    });

    test('a change is delivered, whichever handle or process made it', async () => {
      await using bed = await StoreBed.create(harness);
      const [store, other] = [await bed.open(), await bed.open()];
      const process = await bed.startProcess();
      const afterRevision = await currentRevision(store);
      await using watch = openWatch(store, { prefixes: [''], afterRevision });
      const writers: (() => void)[] = [
        () => void put(store, 'here'),
        () => void put(other, 'another handle'),
        () => process.tell({ kind: 'write', prefix: 'process', atOnce: 1, count: 1 }),
      ];
      for (const write of writers) {
        const next = watch.iterator.next();
        write();
        assert.equal((await within('a change', next)).done, false);
      }
    });

    test('several processes write and several watch, and all see the same, each change once', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const options = { prefixes: ['w'], afterRevision: await currentRevision(store) };
      const [watching, ...writing] = await Promise.all(
        Array.from({ length: 4 }, () => bed.startProcess()),
      );
      watching?.tell({ kind: 'watch', options });
      for (const [index, process] of writing.entries())
        process.tell({ kind: 'write', prefix: `w${index}`, atOnce: 7, count: 200 });
      const changes = await takeChanges(store, options, 1_200);
      await Promise.all(writing.map((process) => process.reported('done')));
      const acknowledged = writing.flatMap((process) => process.acknowledged);
      assert.deepEqual(
        [...new Set(changes.map(revisionOf))],
        acknowledged.map((report) => report.revision).sort((one, other) => one - other),
      );
      assert.equal(new Set(changes.map(keyOf)).size, 1_200);
      await eventually(
        'the other process has seen it all',
        () => watching?.changes.length === 1_200,
      );
      assert.deepEqual(summaries(watching?.changes ?? []), summaries(changes));
    });

    test('a consumer that takes its time gets everything in the end', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const options = { prefixes: [''], afterRevision: await currentRevision(store) };
      await using slow = openWatch(store, options);
      const first = slow.iterator.next();
      await putAll(
        store,
        Array.from({ length: 6_000 }, (_, n) => `k/${n}`),
      );
      const changes: Change[] = [...(await within('a batch', first)).value.changes];
      while (changes.length < 6_000)
        changes.push(...(await within('a batch', slow.iterator.next())).value.changes);
      const revisions = changes.map(revisionOf);
      assert.deepEqual(
        revisions,
        [...new Set(revisions)].sort((one, other) => one - other),
      );
      assert.equal(new Set(changes.map(keyOf)).size, 6_000);
    });

    test('a watch finds what is far on in the history, though nothing happens any more', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const afterRevision = await put(store, 'rare');
      await putAll(
        store,
        Array.from({ length: 2_000 }, (_, n) => `common/${n % 10}`),
      );
      const last = await put(store, 'rare');
      const changes = await takeChanges(store, { prefixes: ['rare'], afterRevision }, 1);
      assert.deepEqual(changes.map(revisionOf), [last]);
    });

    test('a watch from a revision to come delivers only what is after it', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const afterRevision = (await currentRevision(store)) + 2;
      await using watch = openWatch(store, { prefixes: [''], afterRevision });
      const next = watch.iterator.next();
      for (const key of ['one', 'two', 'three']) await put(store, key);
      const { value } = await within('a change', next);
      assert.deepEqual(value.changes.map(keyAndKind), ['put three']);
    });

    describeEnds(harness);
    describeCompaction(harness);
  });
}

function describeEnds(harness: StoreHarness): void {
  test('aborting ends a watch that waits, without an error', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const afterRevision = await currentRevision(store);
    await using watch = openWatch(store, { prefixes: [''], afterRevision });
    const next = watch.iterator.next();
    watch.stop.abort(new Error('enough'));
    assert.deepEqual(await within('the end', next), { done: true, value: undefined });
    assert.deepEqual(await watch.iterator.next(), { done: true, value: undefined });
    const ended = openWatch(store, { prefixes: [''], afterRevision });
    ended.stop.abort();
    assert.equal((await within('the end', ended.iterator.next())).done, true);
  });

  test('closing the iterator ends a watch, also while it waits', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const afterRevision = await currentRevision(store);
    await using watch = openWatch(store, { prefixes: [''], afterRevision });
    const next = watch.iterator.next();
    await within('closed', watch.iterator.return?.() ?? Promise.reject(new Error('no return')));
    assert.equal((await within('the end', next)).done, true);
    await put(store, 'key');
    assert.equal((await within('the end', watch.iterator.next())).done, true);
  });

  test('a watch never started again and again leaves nothing behind', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const revision = await put(store, 'key');
    for (let round = 0; round < 50; round += 1) {
      const stop = new AbortController();
      for await (const batch of store.watch(
        { prefixes: [''], afterRevision: revision - 1 },
        stop.signal,
      )) {
        assert.equal(batch.changes.length, 1);
        if (round % 2 === 0) break;
        stop.abort();
      }
    }
  });

  test('closing the store ends its watches with an error', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const afterRevision = await currentRevision(store);
    await using watch = openWatch(store, { prefixes: [''], afterRevision });
    const next = watch.iterator.next();
    const end = assert.rejects(within('the end', next), isStoreError('unavailable'));
    await store[Symbol.asyncDispose]();
    await end;
    await assert.rejects(store.get('key'), isStoreError('unavailable'));
    await assert.rejects(put(store, 'key'), isStoreError('unavailable'));
  });

  test('a watch without a prefix is refused', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const { signal } = new AbortController();
    assert.throws(() => store.watch({ prefixes: [], afterRevision: 0 }, signal), InvalidInputError);
    const bad = { prefixes: [''], afterRevision: -1 };
    assert.throws(() => store.watch(bad, signal), InvalidInputError);
  });
}

function describeCompaction(harness: StoreHarness): void {
  test('history that has been forgotten cannot be watched, and entries stay', async () => {
    await using bed = await StoreBed.create(harness);
    const [store, other] = [await bed.open(), await bed.open()];
    const before = await currentRevision(store);
    await writeHistory(store, 30);
    const { entries, revision } = await store.range('');
    await store.compact(revision - 5);
    for (const handle of [store, other]) {
      for (const afterRevision of [before, revision - 6]) {
        const options = { prefixes: [''], afterRevision };
        await assert.rejects(takeChanges(handle, options, 1), isStoreError('compacted'));
      }
      const rest = await takeChanges(handle, { prefixes: [''], afterRevision: revision - 5 }, 5);
      assert.equal(revisionOf(rest[0] as Change), revision - 4);
      assert.deepEqual((await handle.range('')).entries, entries);
    }
    await store.compact(before);
    await assert.rejects(store.compact(revision + 1), InvalidInputError);
  });

  test('a watch that is not behind goes on over a compaction', async () => {
    await using bed = await StoreBed.create(harness);
    const [store, other] = [await bed.open(), await bed.open()];
    const afterRevision = await currentRevision(store);
    await using watch = openWatch(store, { prefixes: ['k/'], afterRevision });
    for (let round = 0; round < 10; round += 1) {
      const next = watch.iterator.next();
      const revision = await put(other, `k/${round}`);
      const { value } = await within('a change', next);
      assert.deepEqual(value.changes.map(keyAndKind), [`put k/${round}`]);
      // Also history that the watch has never been shown, because it is not under its prefix.
      const waiting = watch.iterator.next();
      const unseen = await put(other, 'unseen');
      await takeChanges(store, { prefixes: ['unseen'], afterRevision: revision }, 1);
      await other.compact(unseen);
      await put(other, `k/${round}/end`);
      assert.equal((await within('a change', waiting)).value.changes.length, 1);
    }
  });

  test('a watch that falls behind a compaction goes on without a gap or fails, and never skips', async () => {
    await using bed = await StoreBed.create(harness);
    const store = await bed.open();
    const afterRevision = await currentRevision(store);
    await using slow = openWatch(store, { prefixes: [''], afterRevision });
    await put(store, 'first');
    const first = await within('a batch', slow.iterator.next());
    assert.deepEqual(first.value.changes.map(keyOf), ['first']);
    await writeHistory(store, 10);
    const history = await takeChanges(store, { prefixes: [''], afterRevision }, 31);
    await store.compact(await currentRevision(store));
    const { changes, failure } = await takeUntilFailure(slow, 30);
    // What was on its way already may still come.
    assert.deepEqual(summaries(changes), summaries(history.slice(1, 1 + changes.length)));
    if (changes.length === 30) return;
    assert.ok(isStoreError('compacted')(failure), String(failure));
    assert.equal((await slow.iterator.next()).done, true);
  });
}

/** What a watch delivers, up to so many changes or its failure. */
async function takeUntilFailure(
  { iterator }: OpenWatch,
  count: number,
): Promise<{ readonly changes: readonly Change[]; readonly failure?: unknown }> {
  const changes: Change[] = [];
  while (changes.length < count) {
    try {
      const { value } = await within('a batch or an error', iterator.next());
      changes.push(...value.changes);
    } catch (failure) {
      return { changes, failure };
    }
  }
  return { changes };
}

export function isStoreError(code: StoreError['code']): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code;
}

/** Transactions of three changes each: puts, puts again, and deletes. */
async function writeHistory(store: Store, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const value = bytes(`${number}`);
    await store.transact({
      if: [],
      then: [
        { put: `new/${number}`, value },
        { put: 'same', value },
        number % 2 === 0 ? { put: 'flag', value } : { delete: 'flag' },
      ],
    });
  }
}

function keyOf(change: Change): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}

function keyAndKind(change: Change): string {
  return `${change.kind} ${keyOf(change)}`;
}

async function keyCount(store: Store): Promise<number> {
  return (await store.range('k/')).entries.length;
}
