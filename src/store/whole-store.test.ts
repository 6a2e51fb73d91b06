import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { ContentDigest, differences, type KeyValue } from './differences.ts';
import { compareKeys } from './key-range.ts';
import { moveStateKey } from './keys.ts';
import { openStore } from './open-store.ts';
import type { Store } from './store.ts';
import { changesSince, currentRevision, readSnapshot, scanStore } from './whole-store.ts';

const cleanup = new AsyncDisposableStack();
const signal = AbortSignal.timeout(60_000);
let directory: string;
before(async () => {
  directory = cleanup.use(await temporaryDirectory()).path;
});
after(() => cleanup.disposeAsync());

let opened = 0;
function openNew(): Promise<Store> {
  opened += 1;
  return openStore(`sqlite:${directory}/${opened}.db`);
}
const put = (store: Store, key: string, text: string) =>
  store.transact({ if: [], then: [{ put: key, value: Buffer.from(text) }] });
const textIn = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();
const textOf = ({ key, value }: KeyValue) => `${key}=${Buffer.from(value)}`;

test('a store is read whole, in pages, without what belongs to those who read it', async () => {
  await using store = await openNew();
  const keys = Array.from({ length: 450 }, (_, index) => `k/${String(index).padStart(4, '0')}`);
  for (let start = 0; start < keys.length; start += 100) {
    const then = keys
      .slice(start, start + 100)
      .map((key) => ({ put: key, value: Buffer.from(key) }));
    await store.transact({ if: [], then });
  }
  await put(store, moveStateKey, 'x');
  const found = await Array.fromAsync(scanStore(store), ({ key }) => key);
  assert.deepEqual(found, keys);
});

test('a snapshot taken among writes is the store of one moment', async () => {
  await using store = await openNew();
  await using other = await openStore(`sqlite:${directory}/${opened}.db`);
  // Every transaction keeps both ends of the store alike, so a torn reading is seen.
  const ends = ['a/first', 'z/last'];
  const write = (round: number) =>
    other.transact({
      if: [],
      then: [
        ...ends.map((key) => ({ put: key, value: Buffer.from(String(round)) })),
        { put: `m/${String(round % 700).padStart(4, '0')}`, value: Buffer.from(String(round)) },
        { delete: `m/${String((round * 7) % 700).padStart(4, '0')}x` },
      ],
    });
  for (let round = 0; round < 700; round += 1) await write(round);
  let isOver = false;
  const writing = (async () => {
    for (let round = 700; !isOver; round += 1) await write(round);
  })();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const { entries } = await readSnapshot(store, signal);
    const [first, last] = [entries.at(0), entries.at(-1)];
    assert.deepEqual([first?.key, last?.key], ends);
    assert.equal(textIn(first?.value), textIn(last?.value), 'both ends are of one transaction');
    assert.equal(entries.length, 702);
    const newest = Math.max(...entries.slice(1, -1).map(({ value }) => Number(textIn(value))));
    assert.equal(newest, Number(textIn(first?.value)));
  }
  isOver = true;
  await writing;
});

test('changes are told as they were, and silence is told as none', async () => {
  await using store = await openNew();
  await put(store, 'a', '1');
  const revision = await currentRevision(store);
  assert.deepEqual(await changesSince(store, revision, signal), []);
  await put(store, 'b', '1');
  await store.transact({ if: [], then: [{ delete: 'a' }] });
  const changes = await changesSince(store, revision, signal);
  assert.deepEqual(
    changes.map((change) => [change.kind, change.kind === 'put' ? change.entry.key : change.key]),
    [
      ['put', 'b'],
      ['delete', 'a'],
    ],
  );
  // What the reading itself wrote is no change, and nothing of it stays.
  const later = await currentRevision(store);
  await put(store, 'move/other', '1');
  assert.deepEqual(await changesSince(store, later, signal), []);
  assert.deepEqual((await store.range('move/barrier/')).entries, []);
});

const content = fc
  .uniqueArray(
    fc.record({
      key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
      value: fc.uint8Array({ maxLength: 8 }),
    }),
    { selector: ({ key }) => key, maxLength: 30 },
  )
  .map((entries) => entries.toSorted((one, other) => compareKeys(one.key, other.key)));

test('differences, once applied, leave none; and the digest tells any two contents apart', async () => {
  await fc.assert(
    fc.asyncProperty(content, content, async (wanted, present) => {
      const result = new Map<string, Uint8Array>(present.map((entry) => [entry.key, entry.value]));
      let compared = 0;
      for await (const found of differences(wanted, present, () => {
        compared += 1;
      })) {
        if (found.kind === 'extra') assert.ok(result.delete(found.key));
        else {
          assert.equal(result.has(found.entry.key), found.kind === 'different');
          result.set(found.entry.key, found.entry.value);
        }
      }
      assert.equal(compared, wanted.length);
      const now = [...result].map(([key, value]) => ({ key, value }));
      assert.deepEqual(now.map(textOf).sort(), wanted.map(textOf).sort());
      const isSame = JSON.stringify(wanted) === JSON.stringify(present);
      assert.equal(digestOf(wanted) === digestOf(present), isSame);
    }),
  );
});

function digestOf(entries: readonly KeyValue[]): string {
  const digest = new ContentDigest();
  for (const entry of entries) digest.add(entry);
  return digest.digest();
}
