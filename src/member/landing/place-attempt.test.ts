import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RefusalCode } from '../../api/messages.ts';
import { HostError } from '../../host/host-error.ts';
import { MemberError } from '../member-error.ts';
import { type AttemptOutcome, judgeAttempt } from './place-attempt.ts';

/** A refusal that is added has to be thought about here. */
const outcomes: Readonly<Record<RefusalCode, AttemptOutcome>> = {
  'bad-token': 'declined',
  'token-expired': 'declined',
  'token-used': 'declined',
  'name-taken': 'final',
  'key-taken': 'declined',
  banned: 'final',
  suspended: 'silent',
  'subset-full': 'declined',
  'master-full': 'declined',
  'claim-refused': 'declined',
  'claim-expired': 'expired',
  'no-place': 'declined',
  'not-a-member': 'declined',
  'wrong-master': 'silent',
  'bad-message': 'declined',
  'too-many': 'declined',
  unavailable: 'silent',
};

test('every refusal at a place leads to another place, to the same again, or to the end', () => {
  for (const [refusal, outcome] of Object.entries(outcomes)) {
    const error = new MemberError('no', { code: 'join-refused', fields: { refusal } });
    assert.equal(judgeAttempt(error), outcome, refusal);
  }
});

test('who does not answer may have admitted; who is somebody else has not', () => {
  const away = new MemberError('away', { code: 'unreachable', retryable: true });
  assert.equal(judgeAttempt(away), 'silent');
  assert.equal(judgeAttempt(new MemberError('who?', { code: 'untrusted-master' })), 'declined');
});

test('what is wrong with this machine no other place would mend', () => {
  const overlap = new HostError('overlaps', { code: 'overlap', fields: {} });
  assert.equal(judgeAttempt(overlap), 'final');
  assert.equal(judgeAttempt(new Error('disk full')), 'final');
});
