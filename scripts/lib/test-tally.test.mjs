import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestTally } from './test-tally.mjs';

const passed = { name: 'one', outcome: 'passed', durationMs: 1 };
const failed = { name: 'one', outcome: 'failed', durationMs: 1, error: 'Error: boom' };
const outcomeOf = (...reports) => ({ reports, problems: [], output: '', durationMs: 1 });

/** @returns what the tally said in the end, and printed */
function tallied(context, files) {
  const lines = [];
  context.mock.method(console, 'log', (line) => lines.push(line));
  const tally = new TestTally();
  files(tally);
  const succeeded = tally.finish();
  return { succeeded, printed: lines.join('\n') };
}

test('a failure is told at once and in the end, and fails the run', (context) => {
  const { succeeded, printed } = tallied(context, (tally) => {
    tally.addFile('a.test.ts', outcomeOf(passed, failed));
  });
  assert.equal(succeeded, false);
  assert.equal(printed.match(/Error: boom/g)?.length, 2);
  assert.match(printed, /\n1 passed, 1 failed$/);
});

test('what failed beside others counts as it does alone, and is named', (context) => {
  const { succeeded, printed } = tallied(context, (tally) => {
    tally.addUndecided('a.test.ts', outcomeOf(failed));
    tally.addFile('a.test.ts', outcomeOf(passed));
  });
  assert.equal(succeeded, true);
  assert.match(printed, /Error: boom/);
  assert.match(printed, /failed beside another file, and passed alone\n {2}a\.test\.ts/);
  assert.match(printed, /\n1 passed, 0 failed$/);
});

test('what fails alone as well fails the run', (context) => {
  const { succeeded, printed } = tallied(context, (tally) => {
    tally.addUndecided('a.test.ts', outcomeOf(failed));
    tally.addFile('a.test.ts', outcomeOf(failed));
  });
  assert.equal(succeeded, false);
  assert.doesNotMatch(printed, /passed alone/);
  assert.match(printed, /\n0 passed, 1 failed$/);
});

test('a run without a test does not succeed', (context) => {
  assert.equal(tallied(context, () => {}).succeeded, false);
});
