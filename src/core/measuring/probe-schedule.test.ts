import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { acceptTerms, termsLimits } from './measuring-terms.ts';
import {
  dailyProbeBytes,
  exchangeBytes,
  mostCandidates,
  nextRoundMs,
  nextTransfer,
  planProbes,
  probeBudget,
  samplesOfRound,
  type TransferCandidate,
  transferPairBytes,
} from './probe-schedule.ts';

const dayMs = 24 * 3_600_000;

test('no number of masters costs a member more than 2 MB a day', () => {
  for (let masters = 1; masters <= mostCandidates; masters += 1) {
    assert.ok(dailyProbeBytes(masters) <= 2_000_000, `${masters}: ${dailyProbeBytes(masters)}`);
  }
  const { burstBytes, perDayBytes } = probeBudget();
  assert.ok(burstBytes + perDayBytes <= 2_000_000);
});

test('what is planned is within the budget, so that nothing planned is refused for long', () => {
  for (let masters = 1; masters <= mostCandidates; masters += 1) {
    assert.ok(dailyProbeBytes(masters) <= probeBudget().perDayBytes);
  }
  const round = mostCandidates * samplesOfRound * exchangeBytes;
  assert.ok(Math.max(round, transferPairBytes) <= probeBudget().burstBytes);
});

const someTerms = fc
  .record({ intervalMs: fc.nat(), bytesPerDay: fc.nat({ max: 50_000_000 }) })
  .map(acceptTerms);

test('whatever a member is told, it plans no more than that, nor than it ever spends', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: mostCandidates }), someTerms, (masters, terms) => {
      const { burstBytes, perDayBytes } = probeBudget(terms);
      const { mastersOfRound, roundEveryMs, transferMasters } = planProbes(masters, terms);
      assert.ok(dailyProbeBytes(masters, terms) <= perDayBytes + 1);
      assert.ok(burstBytes + perDayBytes <= terms.bytesPerDay + 1);
      assert.ok(terms.bytesPerDay <= termsLimits.mostBytesPerDay);
      assert.ok(mastersOfRound <= masters && roundEveryMs >= termsLimits.leastIntervalMs);
      assert.ok(mastersOfRound * samplesOfRound * exchangeBytes <= burstBytes);
      if (transferMasters > 0) assert.ok(transferPairBytes <= burstBytes);
    }),
  );
});

test('more bytes and a shorter interval measure more often, fewer bytes in parts', () => {
  const often = { intervalMs: 60_000, bytesPerDay: 20_000_000 };
  assert.equal(planProbes(3, often).roundEveryMs, 60_000);
  const poor = planProbes(200, { intervalMs: 900_000, bytesPerDay: 100_000 });
  assert.deepEqual([poor.mastersOfRound, poor.transferMasters], [14, 0]);
  assert.equal(planProbes(9, { intervalMs: 900_000, bytesPerDay: 1_000_000 }).transferMasters, 1);
  assert.equal(nextTransfer(withFacts({ near: fresh }), 1), undefined);
  assert.ok(poor.roundEveryMs < dayMs / 2);
});

test('a few masters are measured every quarter of an hour, all that there may be at least three times a day', () => {
  assert.equal(planProbes(3).roundEveryMs, 15 * 60_000);
  assert.ok(planProbes(mostCandidates).roundEveryMs <= dayMs / 2.9);
});

test('rounds are never nearer to each other than planned, nor a quarter further apart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: mostCandidates }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (masters, random) => {
        const schedule = planProbes(masters);
        const waitMs = nextRoundMs(schedule, random);
        assert.ok(waitMs >= schedule.roundEveryMs && waitMs <= schedule.roundEveryMs * 1.25);
      },
    ),
  );
});

const fresh = { triedAgoMs: 1_000, hasFailed: false };
const candidates: readonly TransferCandidate[] = [
  { name: 'far', latencyMs: 90, hasFailed: false },
  { name: 'near', latencyMs: 5, hasFailed: false },
  { name: 'silent', hasFailed: false },
  { name: 'middle', latencyMs: 20, hasFailed: false },
  { name: 'other', latencyMs: 30, hasFailed: false },
];
const withFacts = (facts: Readonly<Record<string, Partial<TransferCandidate>>>) =>
  candidates.map((candidate) => ({ ...candidate, ...facts[candidate.name] }));

test('the nearest is tried first, then the next ones, and no fourth', () => {
  assert.equal(nextTransfer(candidates), 'near');
  assert.equal(nextTransfer(withFacts({ near: fresh })), 'middle');
  const known = withFacts({ near: fresh, middle: fresh, other: fresh });
  assert.equal(nextTransfer(known), undefined);
});

test('one that answers nothing but STUN makes room for the next', () => {
  const failed = { ...fresh, hasFailed: true };
  const facts = { near: failed, middle: fresh, other: fresh };
  assert.equal(nextTransfer(withFacts(facts)), 'far');
  const dayLater = { triedAgoMs: dayMs, hasFailed: true };
  assert.equal(nextTransfer(withFacts({ ...facts, near: dayLater })), 'near');
});

test('nobody is tried who did not answer, whoever else has failed', () => {
  assert.equal(nextTransfer([{ name: 'silent', hasFailed: false }]), undefined);
});
