import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type {
  Comparison,
  Operation,
  Store,
  Transaction,
  TransactionResult,
} from '../../../src/store/store.ts';
import {
  bytes,
  currentRevision,
  put,
  remove,
  StoreBed,
  type StoreHarness,
  text,
} from './store-bed.ts';
import { StoreModel } from './store-model.ts';
import { summaries, takeChanges } from './watching.ts';

const keys = ['a', 'b', 'c', 'd'];

/** A transaction whose comparisons are filled in when it is issued, from what is known then. */
interface Draft {
  readonly comparisons: readonly {
    readonly key: string;
    readonly field: 'modRevision' | 'createRevision';
    /** How far the revision asked for is from the right one. */
    readonly error: 0 | 1;
  }[];
  readonly operations: readonly { readonly key: string; readonly value?: string }[];
}

const drafts = fc.record({
  comparisons: fc.array(
    fc.record({
      key: fc.constantFrom(...keys),
      field: fc.constantFrom('modRevision' as const, 'createRevision' as const),
      error: fc.constantFrom(0 as const, 0 as const, 0 as const, 1 as const),
    }),
    { maxLength: 2 },
  ),
  operations: fc.uniqueArray(
    fc.oneof(
      fc.record({ key: fc.constantFrom(...keys), value: fc.string({ maxLength: 3 }) }),
      fc.record({ key: fc.constantFrom(...keys) }),
    ),
    { maxLength: 3, selector: (operation) => operation.key },
  ),
});

/** Serializability, comparisons and revisions. */
export function describeTransactions(harness: StoreHarness): void {
  describe('transactions', { concurrency: true }, () => {
    test('one after the other, from two handles, they do what a plain map would', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(drafts, fc.nat({ max: 1 })), { minLength: 1, maxLength: 40 }),
          async (steps) => {
            await using bed = await StoreBed.create(harness);
            const handles = [await bed.open(), await bed.open()];
            const start = await currentRevision(handles[0] as Store);
            await checkSteps(handles, steps, start);
          },
        ),
        { numRuns: 12 },
      );
    });

    test('all at once, from two handles, they do what some order of them would', async () => {
      const waves = fc.array(fc.array(drafts, { minLength: 2, maxLength: 12 }), { maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(waves, async (allDrafts) => {
          await using bed = await StoreBed.create(harness);
          const handles = [await bed.open(), await bed.open()];
          const start = await currentRevision(handles[0] as Store);
          const model = new StoreModel();
          for (const wave of allDrafts) await checkWave(handles, wave, model);
          await checkState(handles[1] as Store, model, start);
        }),
        { numRuns: 12 },
      );
    });

    test('of many that want to create one key, one does', async () => {
      await using bed = await StoreBed.create(harness);
      const handles = [await bed.open(), await bed.open(), await bed.open()];
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          (handles[index % 3] as Store).transact({
            if: [{ key: 'prize', createRevision: 0 }],
            then: [{ put: 'prize', value: bytes(`${index}`) }],
          }),
        ),
      );
      const winners = results.flatMap((result, index) => (result.succeeded ? [index] : []));
      assert.equal(winners.length, 1);
      assert.equal(text((await handles[0]?.get('prize'))?.value), `${winners[0]}`);
    });

    test('no update is lost between real processes', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const processes = await Promise.all([bed.startProcess(), bed.startProcess()]);
      for (const process of processes) process.tell({ kind: 'increment', key: 'sum', count: 100 });
      await Promise.all(processes.map((process) => process.reported('done')));
      assert.equal(text((await store.get('sum'))?.value), '200');
    });

    test('every change has a revision of its own, also one that repeats the value', async () => {
      await using bed = await StoreBed.create(harness);
      const [one, other] = [await bed.open(), await bed.open()];
      const revisions: number[] = [];
      for (let round = 0; round < 10; round += 1)
        revisions.push(await put(one, 'key', 'same'), await put(other, 'key', 'same'));
      revisions.push(...(await Promise.all(keys.map((key) => put(one, key)))).sort(ascending));
      assert.deepEqual(revisions, [...new Set(revisions)].sort(ascending));
    });

    test('deleting what does not exist changes nothing', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const before = await put(store, 'key');
      assert.equal(await remove(store, 'other'), before);
      assert.equal((await store.transact({ if: [], then: [] })).revision, before);
      assert.equal(await currentRevision(store), before);
    });

    test('the first comparison that does not hold is named', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      const revision = await put(store, 'key');
      const failed = { key: 'other', modRevision: revision };
      const result = await store.transact({
        if: [{ key: 'key', modRevision: revision }, failed, { key: 'key', createRevision: 0 }],
        then: [{ delete: 'key' }],
      });
      assert.deepEqual(result, { succeeded: false, revision, failed });
      assert.ok(await store.get('key'));
    });

    test('one that is aborted while it waits either happens or does not, whole', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      for (let round = 0; round < 20; round += 1) {
        const stop = new AbortController();
        const then = ['x', 'y'].map((name) => ({ put: `${round}/${name}`, value: bytes('value') }));
        const answer = store.transact({ if: [], then }, stop.signal);
        stop.abort();
        await assert.rejects(answer, stop.signal.reason);
        const { length } = (await store.range(`${round}/`)).entries;
        assert.ok(length === 0 || length === 2, `${length} of 2 keys were written`);
      }
    });
  });
}

/** Fills in the comparisons. */
function transactionFrom(draft: Draft, model: StoreModel): Transaction {
  const comparisons = draft.comparisons.map(({ key, field, error }): Comparison => {
    const revision = (model.get(key)?.[field] ?? 0) + error;
    return field === 'modRevision'
      ? { key, modRevision: revision }
      : { key, createRevision: revision };
  });
  const operations = draft.operations.map(
    ({ key, value }): Operation =>
      value === undefined ? { delete: key } : { put: key, value: bytes(value) },
  );
  return { if: comparisons, then: operations };
}

async function checkSteps(
  handles: readonly Store[],
  steps: readonly (readonly [Draft, number])[],
  start: number,
): Promise<void> {
  const model = new StoreModel();
  let last = start;
  for (const [draft, handle] of steps) {
    const transaction = transactionFrom(draft, model);
    const result = await (handles[handle] as Store).transact(transaction);
    const changes = result.succeeded && model.changesAnything(transaction);
    assert.ok(changes ? result.revision > last : result.revision === last);
    assert.deepEqual(result, model.apply(transaction, result.revision));
    last = result.revision;
  }
  await checkState(handles[0] as Store, model, start);
}

/** Issues all at once, half from each handle, and replays them in the order of their revisions. */
async function checkWave(
  handles: readonly Store[],
  wave: readonly Draft[],
  model: StoreModel,
): Promise<void> {
  const issued = wave.map((draft) => {
    const transaction = transactionFrom(draft, model);
    // With a put, each that succeeds has a revision of its own, and the order is known.
    const then = [...transaction.then, { put: 'last', value: bytes('x') }];
    return { if: transaction.if, then };
  });
  const results = await Promise.all(
    issued.map((transaction, index) => (handles[index % 2] as Store).transact(transaction)),
  );
  const answered = results.map((result, index) => ({
    result,
    transaction: issued[index] as Transaction,
  }));
  for (const { transaction, result } of answered.sort(inSerialOrder))
    assert.deepEqual(result, model.apply(transaction, result.revision));
}

/** One that failed saw what the one with its revision had done. */
function inSerialOrder(
  one: { readonly result: TransactionResult },
  other: { readonly result: TransactionResult },
): number {
  return (
    one.result.revision - other.result.revision ||
    Number(other.result.succeeded) - Number(one.result.succeeded)
  );
}

async function checkState(store: Store, model: StoreModel, start: number): Promise<void> {
  const { entries } = await store.range('');
  const found = entries.map((entry) => ({ ...entry, value: text(entry.value) }));
  const expected = model.range('').map((entry) => ({ ...entry, value: text(entry.value) }));
  assert.deepEqual(found, expected);
  const options = { prefixes: [''], afterRevision: start };
  const changes = await takeChanges(store, options, model.changes.length);
  assert.deepEqual(summaries(changes), summaries(model.changes));
}

function ascending(one: number, other: number): number {
  return one - other;
}
