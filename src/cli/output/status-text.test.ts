import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberStatusSchema } from '../../api/member-local.ts';
import { formatMemberStatus } from './status-text.ts';

test('direct paths are shown below those to masters, with what was found of them', () => {
  const peer = Buffer.alloc(32, 7).toString('base64');
  const path = { peer, reason: 'its probes are answered', tried: [], ageMs: 12_000 };
  const status = memberStatusSchema.parse({
    startedAtMs: 0,
    wireguard: { backend: 'kernel', version: '6.1' },
    memberships: [
      {
        ...{ membership: 'hansa.east', vpn: 'hansa', subset: 'east', name: 'anna', masters: [] },
        session: { state: 'live', sinceMs: 0, reconnects: 0 },
        direct: [
          {
            ...{ ...path, name: 'bela', state: 'direct', endpoint: '198.51.100.7:40001' },
            ...{ roundTripMs: 12.34, handshakeAgeMs: 5_000 },
          },
          { ...path, name: 'cleo', state: 'failed', reason: 'nothing came back' },
        ],
      },
    ],
  });
  const lines = formatMemberStatus(status, 60_000).split('\n');
  assert.deepEqual(lines.slice(-4), [
    'DIRECT  STATE            ENDPOINT            ROUND TRIP  HANDSHAKE  WHY                      TRIED',
    'bela    direct for 12 s  198.51.100.7:40001  12.3 ms     5 s ago    its probes are answered  -',
    'cleo    failed for 12 s  -                   -           never      nothing came back        -',
    '',
  ]);
});

test('a member that takes no direct paths shows nothing of them', () => {
  const status = memberStatusSchema.parse({
    startedAtMs: 0,
    wireguard: { backend: 'kernel', version: '6.1' },
    memberships: [
      {
        ...{ membership: 'hansa.east', vpn: 'hansa', subset: 'east', name: 'anna', masters: [] },
        session: { state: 'live', sinceMs: 0, reconnects: 0 },
      },
    ],
  });
  assert.doesNotMatch(formatMemberStatus(status, 60_000), /DIRECT/);
});
