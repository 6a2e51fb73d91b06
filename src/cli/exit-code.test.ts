import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/client/client-error.ts';
import { InvalidInputError } from '../model/error.ts';
import { TrustError, type TrustErrorCode } from '../trust/trust-error.ts';
import { exitCodeOf } from './exit-code.ts';

const problem = (code: string, retryable = false) => ({ code, message: 'because', retryable });

test('an invite that is none is bad input, and one that is not good is a refusal', () => {
  const cases: readonly (readonly [code: TrustErrorCode, exitCode: number])[] = [
    ['malformed', 2],
    ['unknown-version', 2],
    ['expired', 3],
    ['forged', 3],
  ];
  for (const [code, exitCode] of cases) {
    assert.equal(exitCodeOf(new TrustError('because', { code })), exitCode, code);
    // As the daemon that runs passes it on.
    assert.equal(exitCodeOf(new ApiError(problem(code), 409)), exitCode, code);
  }
  assert.equal(exitCodeOf(new ApiError(problem('join-refused'), 409)), 3);
});

test('what may succeed later is told as such, whatever it is called', () => {
  assert.equal(exitCodeOf(new ApiError(problem('refused', true), 503)), 4);
  assert.equal(exitCodeOf(new ApiError(problem('not-connected', true), 503)), 4);
});

test('a daemon that has nothing to run is not worth another start', () => {
  assert.equal(exitCodeOf(new ApiError(problem('nothing-to-run'), 409)), 5);
});

test('what nobody expected is a failure, and what cannot be read is bad input', () => {
  assert.equal(exitCodeOf(new Error('ENOSPC')), 1);
  assert.equal(exitCodeOf(new InvalidInputError('not a name')), 2);
});
