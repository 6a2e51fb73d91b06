import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aPolicy } from '../../test/support/placement-world.ts';
import { vpnView } from '../../test/support/test-vpn.ts';
import { directoryViewSchema } from '../api/directory-endpoints.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { type MappedMember, mapPlacement } from './placement-map.ts';

const [fra, sin] = [parseMasterName('fra'), parseMasterName('sin')];
const asia = parseSubsetName('asia');
const directory = directoryViewSchema.parse({
  vpn: vpnView(0),
  masters: [fra, sin].map((name) => ({ name, control: '192.0.2.1:8443' })),
  subsets: [{ name: asia, home: sin, acting: sin, backups: [], blocks: [] }],
});
const paris = { latitude: 48.86, longitude: 2.35 };

const memberOf = (name: string, measured: Partial<MappedMember['measured']>): MappedMember => ({
  ...{ name: parseMemberName(name), subset: asia, acting: sin },
  measured: { verdict: 'unknown', isAlert: false, ...measured },
});

test('members are where they were found or declared, with the latency to their acting master', () => {
  const masters = [
    masterMeasurementSchema.parse({
      ...{ name: 'sin', stun: 'answers', sent: 8, lost: 0, latencyMs: 168 },
    }),
  ];
  const { facts, nowhere } = mapPlacement(
    [
      memberOf('found', { place: { position: paris }, report: { ageMs: 0, masters } }),
      { ...memberOf('declared', { place: { position: paris } }), isNamedByInvite: true },
      memberOf('lost', { place: { country: 'FR' } }),
    ],
    directory,
    aPolicy({
      places: {
        masters: { sin: { latitude: 1.35, longitude: 103.82 } },
        members: { declared: { latitude: 10, longitude: 20 } },
      },
    }),
  );
  assert.deepEqual(facts, {
    title: 'corp',
    masters: [{ name: 'sin', latitude: 1.35, longitude: 103.82 }],
    members: [
      { name: 'found', ...paris, master: 'sin', latencyMs: 168 },
      { name: 'declared', latitude: 10, longitude: 20, master: 'sin', latencyMs: undefined },
    ],
  });
  assert.deepEqual(nowhere, ['fra', 'lost.asia']);
});
