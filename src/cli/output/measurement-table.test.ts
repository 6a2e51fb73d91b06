import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type MembershipMeasurements,
  membershipMeasurementsSchema,
} from '../../api/member-measurements.ts';
import { formatMeasurements } from './measurement-table.ts';

const nowMs = 1_800_000_000_000;
const measured: MembershipMeasurements = membershipMeasurementsSchema.parse({
  membership: 'corp.europe',
  masters: [
    { name: 'old', stun: 'none', sent: 0, lost: 0, endpoint: 'old.example:8443' },
    {
      ...{ name: 'nyc', stun: 'silent', sent: 3, lost: 3, ageMs: 5_000 },
      ...{ endpoint: 'nyc.example:8443', control: 'fails', problem: 'no such\nhost' },
    },
    {
      ...{ name: 'fra', stun: 'answers', sent: 32, lost: 1, ageMs: 5_000, latencyMs: 12.06 },
      ...{ jitterMs: 0.24, hops: 6, seenAs: '203.0.113.7:41002', control: 'answers' },
      ...{ downMbit: 21.4, upMbit: 8.26, transferAgeMs: 60_000, endpoint: 'fra.example:8443' },
    },
  ],
  lastRoundAtMs: nowMs - 5_000,
  nextRoundAtMs: nowMs + 895_000,
  leftBytes: 280_000,
  isLimited: false,
});

test('masters are in the order of their latency, with what is not known left open', () => {
  assert.equal(
    formatMeasurements(measured, nowMs),
    [
      'membership   corp.europe',
      'measured     5 s ago',
      'next         in 14 min 55 s',
      'budget left  273 KiB',
      '',
      'MASTER  STUN         LATENCY  JITTER   LOST  HOPS         DOWN            UP  CONTROL  SEEN AS            AGE  PROBLEM',
      'fra     answers      12.1 ms  0.2 ms    3 %     6  ≥ 21 Mbit/s  ≥ 8.3 Mbit/s  answers  203.0.113.7:41002  5 s  -',
      'nyc     silent             -       -  100 %     -            -             -  fails    -                  5 s  no such\u{fffd}host',
      'old     not offered        -       -      -     -            -             -  untried  -                    -  -',
      '',
    ].join('\n'),
  );
});

test('before anything was measured it says so, and whom nobody has told of masters, that', () => {
  const { lastRoundAtMs: _last, nextRoundAtMs: _next, ...rest } = measured;
  const text = formatMeasurements({ ...rest, masters: [] }, nowMs);
  assert.match(text, /measured +not yet\n/);
  assert.match(text, /no master has said yet whom to measure\n$/);
});

test('figures that a spent budget has left older are said to be', () => {
  const text = formatMeasurements({ ...measured, isLimited: true }, nowMs);
  assert.match(text, /273 KiB, too little for all of the last round: some figures are older\n/);
});
