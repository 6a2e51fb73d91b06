import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countUnanswered, isDead, watchTraffic } from './direct-liveness.ts';
import {
  candidateOf,
  directTickMs,
  nextStep,
  startTrial,
  type Trial,
  tickTrial,
  triedCandidates,
} from './direct-trial.ts';

/** How long a step lasts. */
function durationMs(before: Trial): number {
  for (let trial = before, ticks = 1; ; ticks += 1) {
    const next = tickTrial(trial);
    if (next.isOver) return ticks * directTickMs;
    trial = next.trial;
  }
}

const steps = (isFirst: boolean, candidates: readonly string[], relay?: string) => {
  const seen: [string | undefined, number][] = [];
  for (let trial: Trial | undefined = startTrial(candidates, isFirst, relay); trial; ) {
    seen.push([candidateOf(trial), durationMs(trial)]);
    trial = nextStep(trial, false);
  }
  return seen;
};

test('all candidates have their turn twice, and the second one waits first', () => {
  const rounds = [
    ['a', 700],
    ['b', 700],
    ['a', 700],
    ['b', 700],
  ];
  assert.deepEqual(steps(true, ['a', 'b']), rounds);
  assert.deepEqual(steps(false, ['a', 'b']), [[undefined, 250], ...rounds]);
  assert.deepEqual(steps(false, []), [[undefined, 250]]);
});

test('a relay is tried after all rounds of the candidates, once and for long', () => {
  const rounds = [
    ['a', 700],
    ['a', 700],
    ['relay', 12_000],
  ];
  assert.deepEqual(steps(true, ['a'], 'relay'), rounds);
  assert.deepEqual(steps(false, [], 'relay'), [
    [undefined, 250],
    ['relay', 12_000],
  ]);
});

test('two ends meet at the relay, however many candidates each of them has', () => {
  const atRelay = (isFirst: boolean, count: number) => {
    const candidates = Array.from({ length: count }, (_, index) => `${index}`);
    const all = steps(isFirst, candidates, 'relay').map(([, lengthMs]) => lengthMs);
    const endMs = all.reduce((sum, lengthMs) => sum + lengthMs, 0);
    return { beginMs: endMs - (all.at(-1) ?? 0), endMs };
  };
  const count = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(count, count, (ofFirst, ofSecond) => {
      const [first, second] = [atRelay(true, ofFirst), atRelay(false, ofSecond)];
      const bothMs = Math.min(first.endMs, second.endMs) - Math.max(first.beginMs, second.beginMs);
      assert.ok(bothMs >= 1_400, `${bothMs} ms`);
    }),
  );
});

test('a step in which something was heard goes on, but not for ever', () => {
  let trial = startTrial(['a', 'b'], true);
  for (let count = 0; count < 3; count += 1) {
    trial = nextStep(trial, true) ?? trial;
    assert.equal(candidateOf(trial), 'a');
  }
  const next = nextStep(trial, true);
  assert.equal(next && candidateOf(next), 'b');
});

test('what was tried is told in the order of trying', () => {
  const trial = startTrial(['a', 'b'], false);
  assert.deepEqual(triedCandidates(trial), []);
  const [first, second] = [
    { ...trial, step: 0 },
    { ...trial, step: 3 },
  ];
  assert.deepEqual(triedCandidates(first), ['a']);
  assert.deepEqual(triedCandidates(second), ['a', 'b']);
  const relayed = { ...startTrial(['a', 'b'], false, 'relay'), step: 3 };
  assert.deepEqual(triedCandidates(relayed), ['a', 'b']);
  assert.deepEqual(triedCandidates({ ...relayed, step: 4 }), ['a', 'b', 'relay']);
});

test('a path is dead 0.6 s after a probe since which nothing was answered', () => {
  let ticks = countUnanswered(0, { asked: true, answered: true });
  for (let passedMs = 0; passedMs < 600; passedMs += directTickMs) {
    assert.equal(isDead(ticks), false);
    ticks = countUnanswered(ticks, { asked: passedMs % 200 === 150, answered: false });
  }
  assert.equal(isDead(ticks), true);
  assert.equal(countUnanswered(ticks, { asked: false, answered: true }), 0);
});

test('a path to which nothing is sent is not blamed for it', () => {
  assert.equal(countUnanswered(0, { asked: false, answered: false }), 0);
});

test('a path is idle after a minute in which next to nothing passed', () => {
  const { quiet } = watchTraffic(undefined, 5_000, 0);
  assert.equal(watchTraffic(quiet, 6_000, 59_999).isIdle, false);
  assert.equal(watchTraffic(quiet, 6_000, 60_000).isIdle, true);
  const busy = watchTraffic(quiet, 9_000, 60_000);
  assert.deepEqual(busy, { quiet: { sinceMs: 60_000, payloadBytes: 9_000 }, isIdle: false });
});

test('counters that begin anew are no silence', () => {
  const { quiet } = watchTraffic(undefined, 50_000, 0);
  assert.equal(watchTraffic(quiet, 0, 60_000).isIdle, false);
});
