import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAbort, runUntilAborted } from './abort.ts';
import { Backoff } from './backoff.ts';
import { TokenBucket } from './token-bucket.ts';

test('a bucket never lets more through than its burst and its rate allow', () => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(500), takes: fc.nat(30) }), { maxLength: 30 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      steps,
      (perSecond, burst, all) => {
        const bucket = new TokenBucket({ perSecond, burst }, 1_000);
        let [nowMs, passed] = [1_000, 0];
        for (const { waitMs, takes } of all) {
          nowMs += waitMs;
          for (let left = takes; left > 0; left -= 1) if (bucket.take(nowMs)) passed += 1;
          assert.ok(passed <= burst + ((nowMs - 1_000) / 1_000) * perSecond + 1e-6);
        }
      },
    ),
  );
});

test('a bucket that has rested lets a whole burst through', () => {
  const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, 0);
  const takes = (nowMs: number) => [1, 2, 3, 4].map(() => bucket.take(nowMs));
  assert.deepEqual(takes(0), [true, true, true, false]);
  assert.deepEqual(takes(500), [true, false, false, false]);
  assert.deepEqual(takes(60_000), [true, true, true, false]);
});

test('delays double up to the longest, and never fall below the shortest', () => {
  const longest = new Backoff({ minMs: 100, maxMs: 1_000 }, () => 1);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => longest.nextDelayMs()),
    [100, 200, 400, 800, 1_000, 1_000],
  );
  longest.reset();
  assert.equal(longest.nextDelayMs(), 100);
  fc.assert(
    fc.property(fc.nat(1_000), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
      const backoff = new Backoff({ minMs: 100, maxMs: 1_000 }, () => random);
      for (let left = attempts; left > 0; left -= 1) {
        const delayMs = backoff.nextDelayMs();
        assert.ok(delayMs >= 100 && delayMs <= 1_000);
      }
    }),
    { numRuns: 50 },
  );
});

test('an abort is no failure, whatever its reason', async () => {
  const stop = new AbortController();
  const failures: unknown[] = [];
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const task = runUntilAborted(untilAborted, stop.signal, (error) => failures.push(error));
  stop.abort('enough');
  await task;
  assert.equal(failures.length, 0);
  await runUntilAborted(
    () => Promise.reject(new RangeError('no')),
    new AbortController().signal,
    (error) => failures.push(error),
  );
  assert.equal(failures.length, 1);
  assert.equal(isAbort(new DOMException('gone', 'AbortError')), true);
  assert.equal(isAbort(new RangeError('no')), false);
  assert.equal(isAbort('enough', stop.signal), true);
});
