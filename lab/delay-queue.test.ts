import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DelayQueue } from './delay-queue.ts';

const packet = (number: number): Uint8Array => Uint8Array.of(number);

function drain(queue: DelayQueue, nowMs: number): (number | undefined)[] {
  const numbers: (number | undefined)[] = [];
  for (let next = queue.takeDue(nowMs); next; next = queue.takeDue(nowMs)) numbers.push(next[0]);
  return numbers;
}

test('a packet leaves when its delay has passed, and not before', () => {
  const queue = new DelayQueue();
  queue.reshape({ delayMs: 20 });
  queue.push(packet(1), 100);
  assert.equal(queue.nextDueMs(), 120);
  assert.deepEqual(drain(queue, 119.9), []);
  assert.deepEqual(drain(queue, 120), [1]);
  assert.equal(queue.nextDueMs(), undefined);
});

test('a shorter delay does not let later packets overtake', () => {
  const queue = new DelayQueue();
  queue.reshape({ delayMs: 50 });
  queue.push(packet(1), 0);
  queue.reshape({});
  queue.push(packet(2), 10);
  assert.deepEqual(drain(queue, 49), []);
  assert.deepEqual(drain(queue, 50), [1, 2]);
});

test('packets keep their order, each within its delay and jitter of the one before or of its own time', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.double({ min: 0, max: 5, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
        ),
        { maxLength: 200 },
      ),
      (arrivals) => {
        let random = 0;
        const queue = new DelayQueue(() => random);
        queue.reshape({ delayMs: 10, jitterMs: 4 });
        let nowMs = 0;
        const numbers = arrivals.map(([gapMs, value], number) => {
          random = value;
          nowMs += gapMs;
          queue.push(packet(number % 256), nowMs);
          return number % 256;
        });
        assert.deepEqual(drain(queue, nowMs + 14.001), numbers);
      },
    ),
  );
});

test('loss takes the share that was asked for', () => {
  const tenths = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];
  let drawn = 0;
  // A packet that is not lost draws once more, for its jitter.
  const queue = new DelayQueue(() => tenths[Math.floor(drawn++ / 2) % 10] ?? 0);
  queue.reshape({ lossPercent: 100 });
  queue.push(packet(1), 0);
  assert.deepEqual(drain(queue, 1), []);
  drawn = 6;
  queue.reshape({ lossPercent: 30 });
  for (let number = 0; number < 7; number += 1) queue.push(packet(number), 0);
  assert.equal(drain(queue, 1).length, 7);
  drawn = 4;
  queue.push(packet(1), 0);
  assert.equal(drain(queue, 1).length, 0);
});

test('a full queue drops what comes last', () => {
  const queue = new DelayQueue();
  queue.reshape({ delayMs: 1 });
  for (let number = 0; number < 25_000; number += 1) queue.push(packet(number % 256), 0);
  assert.equal(drain(queue, 1).length, 20_000);
});
