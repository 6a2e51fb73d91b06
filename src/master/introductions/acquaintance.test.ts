import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Acquaintance, isForgotten, sawThem } from './acquaintance.ts';

const nowMs = 1_000_000;
const introduced = (part: Partial<Acquaintance> = {}): Acquaintance => ({
  phase: 'introduced',
  sinceMs: nowMs,
  askedMs: nowMs,
  attempts: 1,
  seenMs: nowMs,
  ...part,
});

/** By sessions that were there before they were asked. */
const see = (known: Acquaintance | undefined, atMs: number) => {
  const { begin, attempts } = sawThem(known, nowMs - 1, atMs);
  return { begin, attempts };
};

test('two who are seen for the first time begin', () => {
  assert.deepEqual(see(undefined, nowMs), { begin: true, attempts: 1 });
});

test('two who go on talking do not begin again, neither while they meet nor just after', () => {
  for (const phase of ['meeting', 'introduced'] as const) {
    const known = introduced({ phase, attempts: 2 });
    for (const laterMs of [0, 200, 8_000]) {
      assert.deepEqual(see(known, nowMs + laterMs), { begin: false, attempts: 2 }, phase);
    }
  }
});

test('two who were away for longer than the kernel remembers begin as strangers do', () => {
  const known = introduced({ attempts: 5 });
  assert.deepEqual(see(known, nowMs + 8_001), { begin: true, attempts: 1 });
  assert.ok(see({ ...known, phase: 'meeting' }, nowMs + 8_001).begin);
});

test('two who still talk through the master are tried again, less and less, but for ever', () => {
  const waitsMs: number[] = [];
  let known = introduced();
  while (waitsMs.length < 8) {
    // Seen all the time, since a look is every 200 ms.
    for (let waitedMs = 200; ; waitedMs += 200) {
      const atMs = known.sinceMs + waitedMs;
      const { begin, attempts } = see({ ...known, seenMs: atMs - 200 }, atMs);
      if (!begin) continue;
      assert.equal(attempts, known.attempts + 1);
      waitsMs.push(waitedMs);
      known = introduced({ sinceMs: atMs, attempts });
      break;
    }
  }
  assert.deepEqual(
    waitsMs.map((ms) => ms / 1_000),
    [30, 60, 120, 240, 480, 600, 600, 600],
  );
});

test('two of whom one has connected anew since they were asked begin again, as if for the first time', () => {
  const known = introduced({ sinceMs: nowMs + 2_000, attempts: 4, seenMs: nowMs + 5_000 });
  const again = { begin: true, attempts: 1, isReconnected: true };
  assert.deepEqual(sawThem(known, nowMs + 1_000, nowMs + 5_000), again);
  assert.equal(sawThem({ ...known, phase: 'meeting' }, nowMs + 1_000, nowMs + 5_000).begin, false);
  assert.equal(sawThem(known, nowMs, nowMs + 5_000).begin, false);
});

test('however long they are in meeting, they are not asked to it once more', () => {
  const known = introduced({ phase: 'meeting', seenMs: nowMs + 600_000 });
  assert.equal(see(known, nowMs + 600_000).begin, false);
});

test('who has not been seen for twenty minutes is forgotten, however long ago it was introduced', () => {
  const known = introduced({ sinceMs: 0 });
  assert.equal(isForgotten(known, nowMs + 1_200_000), false);
  assert.equal(isForgotten(known, nowMs + 1_200_001), true);
});
