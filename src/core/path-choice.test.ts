import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { choosePath, type PathCandidate, settledPathMs } from './path-choice.ts';

const path = (name: string, aliveSinceMs?: number): PathCandidate =>
  aliveSinceMs === undefined ? { name } : { name, aliveSinceMs };

const nowMs = 100_000;
const names = ['a', 'b', 'c', 'd'] as const;
const anyCandidates = fc
  .tuple(
    fc.shuffledSubarray([...names], { minLength: 1 }),
    fc.array(fc.option(fc.nat(nowMs), { nil: undefined }), { minLength: 4, maxLength: 4 }),
  )
  .map(([order, since]) => order.map((name, index) => path(name, since[index])));
const anyUsing = fc.option(fc.constantFrom(...names), { nil: undefined });
const isAlive = (candidates: readonly PathCandidate[], name: string): boolean =>
  candidates.some((each) => each.name === name && each.aliveSinceMs !== undefined);

test('a dead path is left at once for the first that is alive, however young', () => {
  const candidates = [path('a'), path('b', nowMs), path('c', 0)];
  assert.deepEqual(choosePath(candidates, 'a', nowMs), { using: 'b' });
});

test('a better path is taken when it has been alive for three seconds', () => {
  const candidates = [path('a', nowMs - 1_000), path('b', 0)];
  assert.deepEqual(choosePath(candidates, 'b', nowMs), { using: 'b', reconsiderInMs: 2_000 });
  assert.deepEqual(choosePath(candidates, 'b', nowMs + 2_000), { using: 'a' });
});

test('of two better ones the settled is taken, and the best when it is settled too', () => {
  const candidates = [path('a', nowMs - 1_000), path('b', 0), path('c', 0)];
  assert.deepEqual(choosePath(candidates, 'c', nowMs), { using: 'b', reconsiderInMs: 2_000 });
});

test('when all are dead everything stays', () => {
  assert.deepEqual(choosePath([path('a'), path('b')], 'b', nowMs), { using: 'b' });
});

test('without any path there is nothing to choose', () => {
  assert.throws(() => choosePath([], undefined, nowMs), RangeError);
});

test('a dead path is never chosen while there is a live one', () => {
  fc.assert(
    fc.property(anyCandidates, anyUsing, (candidates, using) => {
      const choice = choosePath(candidates, using, nowMs);
      const someAlive = candidates.some(({ aliveSinceMs }) => aliveSinceMs !== undefined);
      assert.ok(candidates.some(({ name }) => name === choice.using));
      assert.equal(isAlive(candidates, choice.using), someAlive);
    }),
  );
});

test('a choice that was made stands until something changes or the time that it says', () => {
  fc.assert(
    fc.property(anyCandidates, anyUsing, fc.nat(60_000), (candidates, using, laterMs) => {
      const choice = choosePath(candidates, using, nowMs);
      const waitMs = choice.reconsiderInMs ?? Infinity;
      const later = choosePath(candidates, choice.using, nowMs + laterMs);
      if (laterMs < waitMs) assert.equal(later.using, choice.using);
      if (laterMs === waitMs) assert.notEqual(later.using, choice.using);
    }),
  );
});

test('whatever a path does, traffic comes back to it at most once in three seconds', () => {
  const flips = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(flips, (pausesMs) => {
      let [now, using, returnedMs] = [nowMs, 'a', -Infinity];
      let aliveSinceMs: number | undefined = 0;
      for (const pauseMs of pausesMs) {
        for (const atMs of [now, now + pauseMs]) {
          const choice = choosePath([path('a', aliveSinceMs), path('b', 0)], using, atMs);
          if (choice.using === 'a' && using === 'b') {
            assert.ok(atMs - returnedMs >= settledPathMs);
            returnedMs = atMs;
          }
          using = choice.using;
        }
        now += pauseMs;
        aliveSinceMs = aliveSinceMs === undefined ? now : undefined;
      }
    }),
  );
});

test('in the end the best of the living is used', () => {
  fc.assert(
    fc.property(anyCandidates, anyUsing, (candidates, using) => {
      const choice = choosePath(candidates, using, nowMs + settledPathMs);
      const best = candidates.find(({ aliveSinceMs }) => aliveSinceMs !== undefined);
      if (best) assert.equal(choice.using, best.name);
    }),
  );
});
