import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HanseError, InvalidInputError } from '../../model/error.ts';
import { problemSchema } from '../problem.ts';
import { problemOf } from './problem.ts';

test('each code has its status, and what the error says is shown', () => {
  const cases: readonly [string, number][] = [
    ['invalid', 400],
    ['not-permitted', 403],
    ['no-such-member', 404],
    ['no-such-endpoint', 404],
    ['conflict', 409],
    ['not-active', 409],
    ['refused', 409],
    ['not-acting', 421],
    ['unavailable', 503],
  ];
  for (const [code, expected] of cases) {
    const cause = new Error('a secret of the log');
    const error = new HanseError('why', {
      code,
      fields: { member: 'anna' },
      retryable: true,
      cause,
    });
    const { status, problem, isOurs } = problemOf(error);
    assert.equal(status, expected, code);
    assert.deepEqual(problem, {
      code,
      message: 'why',
      retryable: true,
      fields: { member: 'anna' },
    });
    assert.equal(isOurs, false);
    assert.ok(problemSchema.safeParse(problem).success);
  }
});

test('what nobody foresaw is the server’s own failure, and nothing of it is shown', () => {
  for (const error of [
    new TypeError('x is undefined'),
    'text',
    undefined,
    new HanseError('inner', { code: 'no-authority' }),
  ]) {
    const { status, problem, isOurs } = problemOf(error);
    assert.deepEqual([status, problem.code, isOurs], [500, 'internal', true]);
    assert.doesNotMatch(problem.message, /undefined|inner|text/);
  }
});

test('the HTTP framework’s complaints about a request are the caller’s', () => {
  const tooLarge = Object.assign(new Error('Request body is too large'), { statusCode: 413 });
  assert.deepEqual(problemOf(tooLarge).status, 413);
  const ours = Object.assign(new Error('reply was already sent'), { statusCode: 500 });
  assert.equal(problemOf(ours).isOurs, true);
});

test('an invalid request is told which part', () => {
  const { problem } = problemOf(new InvalidInputError('the body is not valid', { part: 'body' }));
  assert.deepEqual(problem.fields, { part: 'body' });
});
