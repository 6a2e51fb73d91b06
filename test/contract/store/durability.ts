import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Entry, Store } from '../../../src/store/store.ts';
import { put, StoreBed, type StoreHarness } from './store-bed.ts';
import type { StoreProcess } from './store-process.ts';

const rounds = 24;

/** That what has been acknowledged is there after any process was killed at any moment. */
export function describeDurability(harness: StoreHarness): void {
  describe('durability', () => {
    test('nothing acknowledged is lost when the only process is killed', async () => {
      await using bed = await StoreBed.create(harness);
      let newest = 0;
      for (let round = 0; round < rounds; round += 1) {
        const process = await killedWriter(bed, round);
        const store = await bed.open();
        newest = await checkRound(store, process, { round, newest });
        await store[Symbol.asyncDispose]();
      }
    });

    test('nothing acknowledged is lost when one of several processes is killed', async () => {
      await using bed = await StoreBed.create(harness);
      const store = await bed.open();
      let newest = 0;
      for (let round = 0; round < rounds; round += 1) {
        const writing = put(store, 'own', `${round}`);
        const process = await killedWriter(bed, round);
        await writing;
        newest = await checkRound(store, process, { round, newest });
      }
    });

    test('what a process wrote is there when it has closed the store and ended', async () => {
      await using bed = await StoreBed.create(harness);
      const process = await bed.startProcess();
      process.tell({ kind: 'write', prefix: 'w', atOnce: 4, count: 20 });
      await process.reported('done');
      await process.close();
      const store = await bed.open();
      assert.equal((await store.range('w')).entries.length, 40);
    });
  });
}

/** A process that was killed somewhere in the midst of its writing. */
async function killedWriter(bed: StoreBed, round: number): Promise<StoreProcess> {
  const process = await bed.startProcess();
  process.tell({ kind: 'write', prefix: `${round}/`, atOnce: randomInt(1, 33) });
  await process.reported('acknowledged', randomInt(1, 200));
  await process.kill();
  return process;
}

/** @returns the newest revision */
async function checkRound(
  store: Store,
  process: StoreProcess,
  { round, newest }: { readonly round: number; readonly newest: number },
): Promise<number> {
  // At one instant: what a process has sent may take effect after its death.
  const { entries, revision: now } = await store.range(`${round}/`);
  const [first, second] = ['a', 'b'].map((half) =>
    entries.filter((entry) => entry.key.startsWith(`${round}/${half}/`)),
  ) as [Entry[], Entry[]];
  assert.deepEqual(second.map(numberOf), first.map(numberOf), 'half of a transaction is there');
  const written = new Map(first.map((entry) => [entry.key, entry.modRevision]));
  for (const { number, revision } of process.acknowledged) {
    assert.equal(written.get(`${round}/a/${number}`), revision, `${number} of round ${round}`);
    assert.ok(revision > newest, 'a revision was given twice');
  }
  return now;
}

function numberOf({ key }: Entry): number {
  return Number(key.split('/')[2]);
}
