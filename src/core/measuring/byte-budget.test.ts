import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteBudget, fullPurse, spend } from './byte-budget.ts';

const dayMs = 24 * 3_600_000;
const budget: ByteBudget = { burstBytes: 1_000, perDayBytes: 5_000 };

test('no 24 hours see more than the sum, however it is asked for', () => {
  const asks = fc.array(
    fc.record({
      waitMs: fc.integer({ min: 0, max: dayMs / 4 }),
      bytes: fc.integer({ min: 1, max: 1_500 }),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(asks, (list) => {
      let purse = fullPurse(budget, 0);
      let nowMs = 0;
      const spent: { readonly atMs: number; readonly bytes: number }[] = [];
      for (const { waitMs, bytes } of list) {
        nowMs += waitMs;
        const after = spend(purse, budget, bytes, nowMs);
        if (!after) continue;
        purse = after;
        spent.push({ atMs: nowMs, bytes });
      }
      for (const { atMs } of spent) {
        const within = spent.filter((one) => one.atMs >= atMs && one.atMs < atMs + dayMs);
        const sum = within.reduce((total, { bytes }) => total + bytes, 0);
        assert.ok(sum <= 6_000, String(sum));
      }
    }),
  );
});

test('what is refused costs nothing', () => {
  const purse = fullPurse(budget, 0);
  assert.equal(spend(purse, budget, 1_001, 0), undefined);
  assert.deepEqual(spend(purse, budget, 1_000, 0), { leftBytes: 0, atMs: 0 });
});

test('a day of rest brings back no more than the burst', () => {
  const empty = { leftBytes: 0, atMs: 0 };
  assert.deepEqual(spend(empty, budget, 1, 10 * dayMs), { leftBytes: 999, atMs: 10 * dayMs });
});
