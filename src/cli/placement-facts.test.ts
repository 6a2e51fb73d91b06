import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MasterMeasurement, masterMeasurementSchema } from '../api/measuring-messages.ts';
import {
  parseMasterName,
  parseMemberName,
  parseRegionName,
  parseSubsetName,
} from '../model/names.ts';
import { memberFactsOf, worldOf } from './placement-facts.ts';

const [fra, ams] = [parseMasterName('fra'), parseMasterName('ams')];
const [europe, north] = [parseSubsetName('europe'), parseSubsetName('north')];

const measured = (part: Partial<MasterMeasurement>): MasterMeasurement =>
  masterMeasurementSchema.parse({ name: 'fra', stun: 'answers', sent: 32, lost: 0, ...part });

function factsOf(master: MasterMeasurement, place?: { country?: string }) {
  return memberFactsOf({
    name: parseMemberName('web-1'),
    subset: europe,
    measured: {
      report: { ageMs: 1_000, masters: [master] },
      verdict: 'agrees',
      isAlert: false,
      ...(place ? { place } : {}),
    },
  });
}

test('a master acts for the members of all its subsets, and its home serves a subset too', () => {
  const { masters, subsets } = worldOf(
    {
      masters: [
        { name: fra, control: '192.0.2.1:8443' },
        { name: ams, control: '192.0.2.2:8443', drainedSinceMs: 5 },
      ],
      subsets: [
        {
          ...{ name: europe, home: fra, acting: ams, backups: [ams] },
          ...{ blocks: [], region: parseRegionName('eu') },
        },
        { name: north, home: ams, acting: ams, backups: [], blocks: [] },
      ],
    },
    new Map([
      [europe, 3],
      [north, 4],
    ]),
  );
  assert.deepEqual(masters, [
    { name: fra, members: 0, isDraining: false },
    { name: ams, members: 7, isDraining: true },
  ]);
  assert.deepEqual(subsets, [
    { name: europe, acting: ams, backups: [fra], region: 'eu' },
    { name: north, acting: ams, backups: [], region: undefined },
  ]);
});

test('a measurement is told in the units of placement, the slower direction as bandwidth', () => {
  const { measurements } = factsOf(
    measured({ latencyMs: 12, jitterMs: 0.5, lost: 8, hops: 6, downMbit: 21, upMbit: 18 }),
  );
  assert.deepEqual(measurements.get(fra), {
    latencyMs: 12,
    jitterMs: 0.5,
    lossRatio: 0.25,
    hops: 6,
    bandwidthBitsPerSecond: 18e6,
    servesControl: true,
  });
  assert.equal(measurements.get(ams), undefined);
});

test('what was not measured is unknown, and a report that cannot be is held to what can', () => {
  const sparse = factsOf(measured({ latencyMs: 12, sent: 0, downMbit: 21 })).measurements.get(fra);
  assert.ok(Number.isNaN(sparse?.jitterMs) && Number.isNaN(sparse?.lossRatio));
  assert.equal(sparse?.bandwidthBitsPerSecond, undefined);
  const lying = factsOf(measured({ latencyMs: 12, sent: 1, lost: 900 })).measurements.get(fra);
  assert.equal(lying?.lossRatio, 1);
});

test('a silent master has no measurement, and one whose control port fails does not serve', () => {
  assert.equal(factsOf(measured({ stun: 'silent', lost: 32 })).measurements.get(fra), undefined);
  const failing = factsOf(measured({ latencyMs: 12, control: 'fails' }));
  assert.equal(failing.measurements.get(fra)?.servesControl, false);
});

test('a member is where its session comes from, in a country that there is', () => {
  const place = { country: 'DE', position: { latitude: 50.1, longitude: 8.7 } };
  assert.deepEqual(factsOf(measured({}), place).place, {
    latitude: 50.1,
    longitude: 8.7,
    jurisdiction: 'DE',
  });
  assert.equal(factsOf(measured({}), { country: 'XK' }).place?.jurisdiction, undefined);
});

test('an hour of counted traffic is taken for every other hour, less of it for nothing', () => {
  const member = { name: parseMemberName('web-1'), subset: europe };
  const hour = { bytes: 1_000, overMs: 3_600_000 };
  assert.equal(memberFactsOf({ ...member, traffic: hour }).bytesPerDay, 24_000);
  const less = { bytes: 1_000, overMs: 3_599_000 };
  assert.equal(memberFactsOf({ ...member, traffic: less }).bytesPerDay, undefined);
  assert.equal(memberFactsOf(member).bytesPerDay, undefined);
});

test('a member that has reported nothing has no measurement and no place', () => {
  const { measurements, place } = memberFactsOf({ name: parseMemberName('web-1'), subset: europe });
  assert.equal(measurements.get(fra), undefined);
  assert.deepEqual(place, { jurisdiction: undefined });
});
