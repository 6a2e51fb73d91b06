import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addRound, medianOf, nextJitter, noRoundTrips, summarise } from './round-trips.ts';

const durationMs = fc.double({ min: 0, max: 10_000, noNaN: true });

test('the median has as many values above as below it', () => {
  fc.assert(
    fc.property(fc.array(durationMs, { minLength: 1 }), (values) => {
      const median = medianOf(values) ?? Number.NaN;
      const above = values.filter((value) => value > median).length;
      const below = values.filter((value) => value < median).length;
      assert.ok(above <= values.length / 2 && below <= values.length / 2);
      assert.ok(median >= Math.min(...values) && median <= Math.max(...values));
    }),
  );
  assert.equal(medianOf([]), undefined);
});

test('RFC 3550 §6.4.1: the jitter comes to the mean difference of neighbours, and stays there', () => {
  let jitterMs = 0;
  for (let step = 0; step < 200; step += 1)
    jitterMs = nextJitter(jitterMs, step % 2, (step + 1) % 2);
  assert.ok(Math.abs(jitterMs - 1) < 1e-4, String(jitterMs));
});

test('round trips that are all the same have no jitter, however long they are', () => {
  fc.assert(
    fc.property(durationMs, fc.integer({ min: 1, max: 40 }), (ms, count) => {
      const { latencyMs, jitterMs } = summarise(
        addRound(noRoundTrips, new Array<number>(count).fill(ms)),
      );
      assert.equal(latencyMs, ms);
      assert.equal(jitterMs, 0);
    }),
  );
});

test('the jitter is never more than the greatest difference', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(durationMs, { minLength: 1, maxLength: 8 }), { maxLength: 8 }),
      (rounds) => {
        const all = rounds.flat();
        const { jitterMs } = rounds.reduce(addRound, noRoundTrips);
        const spread = all.length === 0 ? 0 : Math.max(...all) - Math.min(...all);
        assert.ok(jitterMs >= 0 && jitterMs <= spread);
      },
    ),
  );
});

test('what was lost counts as lost and leaves the latency alone', () => {
  const trips = addRound(noRoundTrips, [10, undefined, 30, undefined]);
  assert.deepEqual(summarise(trips), { sent: 4, lost: 2, latencyMs: 20, jitterMs: 1.25 });
});

test('a master that never answered has no latency', () => {
  const trips = addRound(noRoundTrips, [undefined, undefined, undefined]);
  assert.deepEqual(summarise(trips), { sent: 3, lost: 3 });
});

test('the past is forgotten after four rounds', () => {
  const round = (ms: number) => new Array<number>(8).fill(ms);
  const trips = [500, 10, 10, 10, 10].map(round).reduce(addRound, noRoundTrips);
  assert.equal(summarise(trips).latencyMs, 10);
  assert.equal(trips.samples.length, 32);
  assert.ok(!trips.samples.includes(500));
});
