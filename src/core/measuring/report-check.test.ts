import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkReport, judgeReport, noReports, type ReportVerdict } from './report-check.ts';
import { addRound, noRoundTrips, summarise } from './round-trips.ts';

const trueMs = fc.double({ min: 0.1, max: 400, noNaN: true });
const noise = (most: number) =>
  fc.array(fc.double({ min: 0, max: most, noNaN: true }), { minLength: 8, maxLength: 8 });

/** What an honest member reports of a way with that noise. */
function honest(wayMs: number, noiseMs: readonly number[]) {
  const { latencyMs = 0, jitterMs = 0 } = summarise(
    addRound(
      noRoundTrips,
      noiseMs.map((ms) => wayMs + ms),
    ),
  );
  return { latencyMs, jitterMs };
}

test('noise up to a fifth of the way and ten milliseconds is no disagreement', () => {
  fc.assert(
    fc.property(trueMs, noise(1), noise(1), (wayMs, probes, pings) => {
      const most = 10 + wayMs / 5;
      const report = honest(
        wayMs,
        probes.map((ms) => ms * most),
      );
      const seenMs = pings.map((ms) => wayMs + ms * most);
      assert.equal(checkReport({ ...report, seenMs }), 'agrees');
    }),
  );
});

test('one wild answer on either side is no disagreement', () => {
  fc.assert(
    fc.property(trueMs, fc.double({ min: 0, max: 5_000, noNaN: true }), (wayMs, wildMs) => {
      const calm = new Array<number>(7).fill(0);
      const wild = [...calm, wildMs];
      const seenMs = wild.map((ms) => wayMs + ms);
      assert.equal(checkReport({ ...honest(wayMs, calm), seenMs }), 'agrees');
      assert.equal(
        checkReport({ ...honest(wayMs, wild), seenMs: calm.map(() => wayMs) }),
        'agrees',
      );
    }),
  );
});

test('a claim of less than half of a way of 40 ms or more is found, whatever jitter is claimed', () => {
  const way = fc.double({ min: 40, max: 400, noNaN: true });
  const share = fc.double({ min: 0, max: 0.5, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(way, share, trueMs, noise(50), (wayMs, claimed, jitterMs, pings) => {
      const seenMs = pings.map((ms) => wayMs + ms);
      assert.equal(checkReport({ latencyMs: wayMs * claimed, jitterMs, seenMs }), 'too-near');
    }),
  );
});

test('a claim of three times what was ever seen is found on ways of 10 ms or more', () => {
  const way = fc.double({ min: 10, max: 400, noNaN: true });
  fc.assert(
    fc.property(way, (wayMs) => {
      const seenMs = [wayMs, wayMs, wayMs];
      assert.equal(checkReport({ latencyMs: wayMs * 3, jitterMs: 0, seenMs }), 'too-far');
    }),
  );
});

test('two round trips are too few to say anything', () => {
  assert.equal(checkReport({ latencyMs: 1, jitterMs: 0, seenMs: [500, 500] }), 'unknown');
});

const judgeAll = (verdicts: readonly ReportVerdict[]) => verdicts.reduce(judgeReport, noReports);

test('the second disagreement in a row is an alert, and stays one until a report agrees', () => {
  assert.equal(judgeAll(['too-near']).isAlert, false);
  assert.equal(judgeAll(['too-near', 'unknown', 'too-near']).isAlert, true);
  assert.equal(judgeAll(['too-near', 'too-far', 'too-near', 'unknown']).isAlert, true);
  assert.equal(judgeAll(['too-near', 'agrees', 'too-near']).isAlert, false);
  assert.deepEqual(judgeAll(['too-near', 'too-near', 'agrees']), {
    verdict: 'agrees',
    disagreements: 0,
    isAlert: false,
  });
});
