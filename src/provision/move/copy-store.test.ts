import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { parseSubsetName } from '../../model/names.ts';
import { actingKey, leaseKey, moveStateKey, vpnKey } from '../../store/keys.ts';
import { openStore } from '../../store/open-store.ts';
import type { Store, Transaction } from '../../store/store.ts';
import { scanStore } from '../../store/whole-store.ts';
import { copyStore, type NamedStore } from './copy-store.ts';
import type { MoveProgress } from './move-progress.ts';

const north = parseSubsetName('north');
const signal = AbortSignal.timeout(120_000);
const cleanup = new AsyncDisposableStack();
let directory: string;
before(async () => {
  directory = cleanup.use(await temporaryDirectory()).path;
});
after(() => cleanup.disposeAsync());

let opened = 0;
async function openNew(): Promise<NamedStore & AsyncDisposable> {
  opened += 1;
  const storeUrl = `sqlite:${directory}/${opened}.db`;
  const store = await openStore(storeUrl);
  return { store, storeUrl, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const quiet = { signal, onProgress: () => undefined, beforeEnd: async () => undefined };
const put = (store: Store, key: string, text = key) =>
  store.transact({ if: [], then: [{ put: key, value: Buffer.from(text) }] });
const contents = (store: Store) =>
  Array.fromAsync(scanStore(store), ({ key, value }) => `${key}=${Buffer.from(value)}`);

/** Enough for several pages and transactions. */
async function fill(store: Store, count = 900): Promise<void> {
  for (let start = 0; start < count; start += 100) {
    const then = Array.from({ length: 100 }, (_, index) => ({
      put: `roll/north/member/m-${start + index}`,
      value: Buffer.from(`record ${start + index}`),
    }));
    await store.transact({ if: [], then });
  }
  await put(store, vpnKey, 'the VPN');
}

/** Dies as a process does: at some write, which may or may not have been applied. */
function dying(store: Store, afterWrites: number, isApplied: boolean): Store {
  let writes = 0;
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'transact') return value.bind(target);
      return async (transaction: Transaction, until?: AbortSignal) => {
        writes += 1;
        if (writes <= afterWrites) return target.transact(transaction, until);
        if (isApplied && writes === afterWrites + 1) await target.transact(transaction, until);
        throw new Error('killed');
      };
    },
  });
}

test('whatever a store holds, its copy holds the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc
          .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
          .filter((key) => !key.includes('\0')),
        fc.string({ maxLength: 40 }),
        { minKeys: 1, maxKeys: 60 },
      ),
      async (entries) => {
        await using from = await openNew();
        await using to = await openNew();
        for (const [key, text] of Object.entries(entries)) await put(from.store, `x/${key}`, text);
        const result = await copyStore({ from, to }, quiet);
        assert.deepEqual(await contents(to.store), await contents(from.store));
        assert.equal(result.entries, Object.keys(entries).length);
      },
    ),
    { numRuns: 25 },
  );
});

test('a copy that dies at any write is completed by the next, and nobody takes it for a VPN before', async () => {
  await using from = await openNew();
  await fill(from.store);
  let attempts = 0;
  for (const isApplied of [false, true]) {
    for (let writes = 0; ; writes += 1) {
      await using to = await openNew();
      const broken = { ...to, store: dying(to.store, writes, isApplied) };
      const outcome = await copyStore({ from, to: broken }, quiet).catch((error) => error);
      if (!(outcome instanceof Error)) break;
      attempts += 1;
      assert.equal(outcome.message, 'killed');
      const isWhole = (await to.store.get(moveStateKey)) === undefined && writes > 0;
      assert.equal((await to.store.get(vpnKey)) !== undefined, isWhole);
      const again = await copyStore({ from, to }, quiet);
      assert.deepEqual(await contents(to.store), await contents(from.store));
      assert.equal(await to.store.get(moveStateKey), undefined);
      assert.equal(again.wasThere, isWhole);
      assert.equal(again.isResumed, !isWhole && (writes > 0 || isApplied));
    }
  }
  assert.ok(attempts > 15, `${attempts} deaths`);
});

test('a source that changed between two attempts is copied as it is now', async () => {
  await using from = await openNew();
  await using to = await openNew();
  await fill(from.store);
  await assert.rejects(copyStore({ from, to: { ...to, store: dying(to.store, 5, true) } }, quiet));
  await put(from.store, 'roll/north/member/m-1', 'renewed');
  await from.store.transact({ if: [], then: [{ delete: 'roll/north/member/m-2' }] });
  await copyStore({ from, to }, quiet);
  assert.deepEqual(await contents(to.store), await contents(from.store));
});

test('a source that is written to meanwhile is noticed, and the copy is nobody’s store', async () => {
  await using from = await openNew();
  await using to = await openNew();
  await fill(from.store);
  // Behind the place where the reading is, or before it; both are found.
  for (const key of ['roll/north/member/m-0', 'roll/north/zzz']) {
    let isWritten = false;
    const onProgress = ({ phase, done }: MoveProgress): void => {
      if (phase !== 'writing' || done < 500 || isWritten) return;
      isWritten = true;
      void put(from.store, key, `${Math.random()}`);
    };
    await assert.rejects(copyStore({ from, to }, { ...quiet, onProgress }), (error: Error) => {
      assert.ok('code' in error && ['source-changed', 'differs'].includes(String(error.code)));
      return true;
    });
    assert.equal(await to.store.get(vpnKey), undefined);
  }
  await copyStore({ from, to }, quiet);
  assert.deepEqual(await contents(to.store), await contents(from.store));
});

test('a store on which a master acts is not copied, and one whose master is dead is', async () => {
  await using from = await openNew();
  await using to = await openNew();
  await fill(from.store, 100);
  const value = Buffer.from('north-1');
  const acting = { put: actingKey(north), value };
  const lease = await from.store.grantLease(60_000);
  await from.store.transact({ if: [], then: [{ put: leaseKey(north), value, lease }, acting] });
  await assert.rejects(copyStore({ from, to }, quiet), {
    code: 'in-use',
    message: /masters act on .*, for north: stop every master/,
  });
  assert.deepEqual((await to.store.range('')).entries, []);
  await from.store.revokeLease(lease);
  const dead = await from.store.grantLease(1_000);
  await from.store.transact({ if: [], then: [{ put: leaseKey(north), value, lease: dead }] });
  const { skipped, entries } = await copyStore({ from, to }, quiet);
  assert.deepEqual(skipped, [actingKey(north), leaseKey(north)]);
  assert.equal(entries, 101);
  assert.equal(await to.store.get(actingKey(north)), undefined);
});

test('nothing is overwritten: neither a VPN, nor anything else, nor somebody else’s interrupted copy', async () => {
  await using from = await openNew();
  await using other = await openNew();
  await fill(from.store, 100);
  await put(other.store, vpnKey, 'another VPN');
  for (const prepare of [
    (store: Store) => put(store, vpnKey, 'a VPN'),
    (store: Store) => put(store, 'anything'),
    async (store: Store) => {
      const to = { store: dying(store, 1, false), storeUrl: 'broken' };
      await copyStore({ from: other, to }, quiet).catch(() => undefined);
    },
  ]) {
    await using to = await openNew();
    await prepare(to.store);
    const before = await contents(to.store);
    await assert.rejects(copyStore({ from, to }, quiet), { code: 'not-empty' });
    assert.deepEqual(await contents(to.store), before);
  }
  await using empty = await openNew();
  await using to = await openNew();
  await assert.rejects(copyStore({ from: empty, to }, quiet), { code: 'no-vpn' });
});

test('a copy that is complete is left alone by a second call', async () => {
  await using from = await openNew();
  await using to = await openNew();
  await fill(from.store, 200);
  const first = await copyStore({ from, to }, quiet);
  const second = await copyStore({ from, to }, quiet);
  assert.deepEqual([first.wasThere, second.wasThere], [false, true]);
  assert.equal(second.sha256, first.sha256);
});
