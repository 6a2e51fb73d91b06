import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addToCount, beginCount, bytesPerDayOf } from './traffic-count.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

test('what was before the beginning is not counted, and a counter that begins anew is', () => {
  const begun = beginCount(1_000, 0);
  const later = addToCount(begun, 1_500, 10);
  assert.deepEqual(later, { bytes: 500, sinceMs: 0, counter: 1_500 });
  const anew = addToCount(later, 200, 20);
  assert.deepEqual(anew, { bytes: 700, sinceMs: 0, counter: 200 });
  assert.equal(addToCount(anew, 200, 30).bytes, 700);
});

test('however a counter grows and begins anew, what it had each time is counted once', () => {
  const lives = fc.array(fc.array(fc.nat(1e6), { minLength: 1 }), { minLength: 1 });
  fc.assert(
    fc.property(lives, (growths) => {
      let [count, total, nowMs] = [beginCount(0, 0), 0, 0];
      for (const steps of growths) {
        let counter = 0;
        for (const step of steps) {
          // A counter that has caught up unseen cannot be told from one that has gone on.
          counter += step;
          nowMs += 1_000;
          const before = count;
          count = addToCount(count, counter, nowMs);
          total += counter >= before.counter ? counter - before.counter : counter;
        }
      }
      assert.equal(count.bytes, total);
      assert.equal(count.sinceMs, 0);
    }),
  );
});

test('nothing is said of less than an hour; then it is the pace of all that was counted', () => {
  assert.equal(bytesPerDayOf({ bytes: 5, overMs: hourMs - 1 }), undefined);
  assert.equal(bytesPerDayOf({ bytes: 5, overMs: hourMs }), 120);
  assert.equal(bytesPerDayOf({ bytes: 0, overMs: dayMs }), 0);
});

test('what is long ago counts less and less, and an even pace stays what it is', () => {
  let count = beginCount(0, 0);
  for (let day = 1; day <= 300; day += 1) {
    const counter = day <= 150 ? day * 1_000 : 150_000 + (day - 150) * 4_000;
    count = addToCount(count, counter, day * dayMs);
    const overMs = day * dayMs - count.sinceMs;
    assert.ok(overMs <= 60 * dayMs);
    const pace = bytesPerDayOf({ bytes: count.bytes, overMs }) ?? 0;
    if (day <= 150) assert.ok(Math.abs(pace - 1_000) < 1, `${day}: ${pace}`);
  }
  const pace = bytesPerDayOf({ bytes: count.bytes, overMs: 300 * dayMs - count.sinceMs }) ?? 0;
  assert.ok(pace > 3_600, String(pace));
});
