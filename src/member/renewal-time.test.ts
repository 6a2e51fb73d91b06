import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renewalRetryMs, renewalTimeMs } from './renewal-time.ts';

const validity = { issuedAtMs: 1_000, endsAtMs: 31_000 };

test('a certificate is renewed at two thirds of its life at the latest', () => {
  assert.equal(renewalTimeMs(validity, 0), 21_000);
});

test('jitter moves the renewal earlier, by a tenth of the life at most', () => {
  assert.equal(renewalTimeMs(validity, 1), 18_000);
});

test('an unanswered renewal is tried several times before the certificate runs out', () => {
  const leftMs = validity.endsAtMs - renewalTimeMs(validity, 0);
  assert.ok(leftMs / renewalRetryMs(validity) >= 6);
});
