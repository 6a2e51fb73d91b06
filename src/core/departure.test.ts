import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memberRecordSchema } from '../model/records/roll.ts';
import { hasExpired, isReusable, planDeparture } from './departure.ts';

const member = memberRecordSchema.parse({
  version: 1,
  name: 'anna',
  subset: 'hamburg',
  state: 'active',
  identityKey: 'a'.repeat(43),
  keys: { acting: Buffer.alloc(32).toString('base64') },
  addressIndex: 2,
  ipv4: '100.64.0.2',
  ipv6: 'fd00::2',
  inviteId: '00000000-0000-4000-8000-000000000000',
  joinedAtMs: 0,
  certificateEndsAtMs: 1_000_000,
  alsoIn: [],
});
const clockSkewMs = 5 * 60_000;
const lifetimes = {
  certificateMs: 10_000,
  keyRotationMs: 10_000,
  absenceMs: 1_000,
  settleMs: 60_000,
};

test('a former member’s name rests until its last certificate is over on every clock', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000), fc.nat(4_000_000), (nowMs, laterMs) => {
      const departed = planDeparture(member, 'evicted', nowMs);
      assert.equal(departed.endedAtMs, nowMs);
      if (laterMs < member.certificateEndsAtMs + clockSkewMs)
        assert.equal(
          isReusable(departed, laterMs),
          laterMs >= nowMs && nowMs >= member.certificateEndsAtMs + clockSkewMs,
        );
      else assert.equal(isReusable(departed, laterMs), laterMs >= nowMs);
    }),
  );
});

test('an active member’s name is never free', () => {
  assert.equal(isReusable(member, Number.MAX_SAFE_INTEGER), false);
});

test('a member has expired when its certificate has been over for the absence allowed', () => {
  const endMs = member.certificateEndsAtMs + lifetimes.absenceMs;
  assert.deepEqual(
    [endMs - 1, endMs].map((nowMs) => hasExpired(member, lifetimes, nowMs)),
    [false, true],
  );
  assert.equal(hasExpired(planDeparture(member, 'left', 0), lifetimes, endMs), false);
});
