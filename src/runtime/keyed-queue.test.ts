import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { KeyedQueue } from './keyed-queue.ts';

test('tasks of one key follow one another in order, and those of other keys do not wait', async () => {
  const tasks = fc.array(
    fc.record({
      keys: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }),
      turns: fc.nat(3),
      fails: fc.boolean(),
    }),
    { maxLength: 15 },
  );
  await fc.assert(
    fc.asyncProperty(tasks, async (all) => {
      const queue = new KeyedQueue<number>();
      const running = new Set<number>();
      const order = new Map<number, number[]>();
      const results = all.map(({ keys, turns, fails }, number) => {
        const task = async (): Promise<number> => {
          for (const key of keys) {
            assert.ok(!running.has(key), `two tasks of ${key} at once`);
            running.add(key);
            order.set(key, [...(order.get(key) ?? []), number]);
          }
          for (let left = turns; left > 0; left -= 1) await turn();
          for (const key of keys) running.delete(key);
          if (fails) throw new RangeError(`task ${number}`);
          return number;
        };
        const [only = 0] = keys;
        return keys.length === 1 ? queue.run(only, task) : queue.runForAll(keys, task);
      });
      const settled = await Promise.allSettled(results);
      for (const [number, result] of settled.entries()) {
        if (all[number]?.fails) assert.equal(result.status, 'rejected');
        else assert.deepEqual(result, { status: 'fulfilled', value: number });
      }
      for (const key of [0, 1, 2, 3]) await queue.settled(key);
      assert.ok(
        [0, 1, 2, 3].every((key) => !queue.isBusy(key)),
        'nothing is left behind',
      );
      const single = (key: number) =>
        (order.get(key) ?? []).filter((n) => all[n]?.keys.length === 1);
      for (const key of [0, 1, 2, 3])
        assert.deepEqual(
          single(key),
          [...single(key)].sort((a, b) => a - b),
        );
    }),
    { numRuns: 200 },
  );
});

test('a task begins at once when nothing is under way', () => {
  const queue = new KeyedQueue<string>();
  let begun = false;
  void queue.run('a', async () => {
    begun = true;
  });
  assert.ok(begun);
  assert.ok(queue.isBusy('a'));
  assert.ok(!queue.isBusy('b'));
});

test('who waits for a key does not hear of its failures', async () => {
  const queue = new KeyedQueue<string>();
  const failing = queue.run('a', () => Promise.reject(new RangeError('no')));
  await queue.settled('a');
  await assert.rejects(failing, RangeError);
});
