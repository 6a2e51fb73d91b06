import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../../../src/model/error.ts';
import {
  maxKeyBytes,
  maxTransactionBytes,
  maxTransactionOperations,
} from '../../../src/store/request-rules.ts';
import type { RangeOptions, Store } from '../../../src/store/store.ts';
import { bytes, put, StoreBed, type StoreHarness, text } from './store-bed.ts';
import { compareKeys } from './store-model.ts';

/** Characters at the edges of what prefixes, patterns and encodings make of them. */
const awkward = ['/', '0', 'a', 'A', '%', '_', '*', '\\', "'", '\u0001', '\u007f', '\u0080', 'é'];
const edges = ['\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}'];
const keyText = fc.string({ unit: fc.constantFrom(...awkward, ...edges), maxLength: 4 });
const key = keyText.filter((candidate) => candidate.length > 0);

/** What reading may not do, and keys and values of every kind. */
export function describeEntries(harness: StoreHarness): void {
  describe('entries', { concurrency: true }, () => {
    test('a key that was never written does not exist', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      assert.equal(await store.get('nothing'), undefined);
      assert.deepEqual((await store.range('nothing')).entries, []);
    });

    test('an entry tells who created it and who wrote it last', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const created = await put(store, 'key', 'one');
      const changed = await put(store, 'key', 'two');
      const entry = await store.get('key');
      assert.equal(text(entry?.value), 'two');
      assert.equal(entry?.createRevision, created);
      assert.equal(entry?.modRevision, changed);
      assert.deepEqual((await store.range('')).entries, [entry]);
      await store.transact({ if: [], then: [{ delete: 'key' }] });
      const again = await put(store, 'key', 'three');
      assert.equal((await store.get('key'))?.createRevision, again);
    });

    test('values are bytes, whatever they are, none included', async () => {
      await using bed = await StoreBed.create(harness);
      const [writer, reader] = [await bed.open(), await bed.open()];
      const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
      const values = fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(new Uint8Array(0), everyByte, new Uint8Array(100_000).fill(255)),
      );
      await fc.assert(
        fc.asyncProperty(values, async (value) => {
          await writer.transact({ if: [], then: [{ put: 'key', value }] });
          const entry = await reader.get('key');
          assert.deepEqual(Buffer.from(entry?.value ?? []), Buffer.from(value));
          assert.ok(entry?.value instanceof Uint8Array);
        }),
        { numRuns: 40 },
      );
    });

    test('a range has exactly the keys with the prefix, in the order of their bytes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { maxLength: 30 }), async (keys) => {
          await using bed = await StoreBed.create(harness);
          const store = await bed.open();
          await Promise.all(keys.map((each) => put(store, each)));
          const sorted = keys.toSorted(compareKeys);
          for (const prefix of ['', ...keys, ...keys.map((each) => [...each][0] ?? '')])
            await checkRanges(store, prefix, sorted);
        }),
        { numRuns: 8 },
      );
    });

    test('a prefix ends where its last character does', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      for (const each of ['a', 'a/', 'a/b', 'a/b/c', 'a0', 'a.', 'b', 'A/']) await put(store, each);
      assert.deepEqual(await keysOf(store, 'a/'), ['a/', 'a/b', 'a/b/c']);
      assert.deepEqual(await keysOf(store, 'a'), ['a', 'a.', 'a/', 'a/b', 'a/b/c', 'a0']);
    });

    test('pages put together are the whole, forward and reverse', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const keys = Array.from({ length: 23 }, (_, index) => `p/${String(index).padStart(3, '0')}`);
      await Promise.all([...keys, 'o', 'p', 'p0', 'q'].map((each) => put(store, each)));
      for (const limit of [1, 5, 22, 23, 24]) {
        assert.deepEqual(await pagedKeys(store, 'p/', { limit }), keys);
        assert.deepEqual(await pagedKeys(store, 'p/', { limit, reverse: true }), keys.toReversed());
      }
    });

    test('what cannot be a key, or is too much, is refused and changes nothing', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const value = bytes('value');
      for (const bad of ['', 'a\0b', 'half \ud800', '\udc00', 'k'.repeat(maxKeyBytes + 1)]) {
        await assert.rejects(store.get(bad), InvalidInputError);
        const then = [{ put: 'good', value }, { delete: bad }];
        await assert.rejects(store.transact({ if: [], then }), InvalidInputError);
        const comparison = { key: bad, modRevision: 0 };
        await assert.rejects(store.transact({ if: [comparison], then: [] }), InvalidInputError);
      }
      const twice = [{ put: 'good', value }, { delete: 'good' }];
      await assert.rejects(store.transact({ if: [], then: twice }), InvalidInputError);
      const tooMany = Array.from({ length: maxTransactionOperations + 1 }, (_, index) => ({
        put: `good${index}`,
        value,
      }));
      await assert.rejects(store.transact({ if: [], then: tooMany }), InvalidInputError);
      const tooLarge = { put: 'good', value: new Uint8Array(maxTransactionBytes) };
      await assert.rejects(store.transact({ if: [], then: [tooLarge] }), InvalidInputError);
      await assert.rejects(store.range('', { limit: 0 }), InvalidInputError);
      assert.deepEqual((await store.range('')).entries, []);
    });

    test('the largest transaction that the rules allow is accepted', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const longest = 'k'.repeat(maxKeyBytes);
      await put(store, longest);
      assert.equal(text((await store.get(longest))?.value), 'value');
      const large = new Uint8Array(maxTransactionBytes - 'large'.length).fill(7);
      await store.transact({ if: [], then: [{ put: 'large', value: large }] });
      assert.equal((await store.get('large'))?.value.byteLength, large.byteLength);
      const many = Array.from({ length: maxTransactionOperations }, (_, index) => ({
        put: `many/${index}`,
        value: bytes('x'),
      }));
      await store.transact({ if: [], then: many });
      assert.equal((await store.range('many/')).entries.length, maxTransactionOperations);
    });

    test('a wait that has been aborted rejects with the reason', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const reason = new Error('nobody waits any more');
      const signal = AbortSignal.abort(reason);
      const calls = [
        store.get('key', signal),
        store.range('', {}, signal),
        store.transact({ if: [], then: [{ put: 'key', value: bytes('x') }] }, signal),
        store.grantLease(1_000, signal),
        store.compact(0, signal),
      ];
      for (const call of calls) await assert.rejects(call, reason);
      assert.equal(await store.get('key'), undefined);
    });
  });
}

async function checkRanges(store: Store, prefix: string, sorted: string[]): Promise<void> {
  const expected = sorted.filter((each) => each.startsWith(prefix));
  assert.deepEqual(await keysOf(store, prefix), expected);
  assert.deepEqual(await keysOf(store, prefix, { reverse: true }), expected.toReversed());
  assert.deepEqual(await keysOf(store, prefix, { limit: 2 }), expected.slice(0, 2));
  for (const after of sorted) {
    const greater = expected.filter((each) => compareKeys(each, after) > 0);
    assert.deepEqual(await keysOf(store, prefix, { after }), greater);
    const smaller = expected.filter((each) => compareKeys(each, after) < 0);
    assert.deepEqual(await keysOf(store, prefix, { after, reverse: true }), smaller.toReversed());
  }
}

async function keysOf(store: Store, prefix: string, options: RangeOptions = {}): Promise<string[]> {
  return (await store.range(prefix, options)).entries.map((entry) => entry.key);
}

async function pagedKeys(store: Store, prefix: string, options: RangeOptions): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const after = all.at(-1);
    const from = after === undefined ? {} : { after };
    const page = await keysOf(store, prefix, { ...options, ...from });
    if (page.length === 0) return all;
    all.push(...page);
  }
}
