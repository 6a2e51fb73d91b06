import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesAt, sealedAddress } from '../../core/addressing.ts';
import { parseSubsetName } from '../../model/names.ts';
import { parseAddress, parsePrefix } from '../../model/prefix.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import { Whereabouts } from './whereabouts.ts';

const subsetOf = (name: string, index: number): SubsetRecord =>
  ({
    name: parseSubsetName(name),
    ipv6Block: parsePrefix(`fd00:1:2:${index}::/64`),
    ipv4Blocks: [parsePrefix(`100.64.${index}.0/24`)],
  }) as SubsetRecord;
const hamburg = subsetOf('hamburg', 1);
const berlin = subsetOf('berlin', 2);

function asking(subsets: SubsetRecord[], members: Record<number, MemberRecord> = {}) {
  let readings = 0;
  const whereabouts = new Whereabouts({
    directory: {
      subsetRecords: () => {
        readings += 1;
        return subsets;
      },
    },
    subsets: {
      findServed: (name) =>
        name === 'hamburg'
          ? ({ roll: { findByPlace: (index: number) => members[index] } } as ServedSubset)
          : undefined,
    },
  });
  return { whereabouts, readings: () => readings };
}

test('a member has one place, by either of its addresses and the end of its sealed tunnels', () => {
  const { whereabouts, readings } = asking([hamburg, berlin]);
  const { ipv4, ipv6 } = addressesAt(berlin, 7);
  for (const address of [ipv4, ipv6, sealedAddress(ipv6), ipv4]) {
    assert.deepEqual(whereabouts.placeAt(address), { subset: berlin, index: 7, ipv4, ipv6 });
  }
  assert.equal(whereabouts.placeAt(parseAddress('100.64.3.7')), undefined);
  assert.equal(readings(), 1);
});

test('a block that is new in the directory is known when it was told to forget', () => {
  const subsets = [hamburg];
  const { whereabouts } = asking(subsets);
  const { ipv4 } = addressesAt(berlin, 7);
  assert.equal(whereabouts.placeAt(ipv4), undefined);
  subsets.push(berlin);
  assert.equal(whereabouts.placeAt(ipv4), undefined);
  whereabouts.forget();
  assert.equal(whereabouts.placeAt(ipv4)?.subset, berlin);
});

test('who has a place is the roll’s to say, every time', () => {
  const members: Record<number, MemberRecord> = { 7: { state: 'active' } as MemberRecord };
  const { whereabouts } = asking([hamburg, berlin], members);
  const at = (subset: SubsetRecord, index: number) =>
    whereabouts.placeAt(addressesAt(subset, index).ipv6) ?? assert.fail();
  assert.equal(whereabouts.memberAt(at(hamburg, 7)), members[7]);
  assert.equal(whereabouts.memberAt(at(hamburg, 8)), undefined);
  assert.equal(whereabouts.memberAt(at(berlin, 7)), undefined);
  members[7] = { state: 'evicted' } as MemberRecord;
  assert.equal(whereabouts.memberAt(at(hamburg, 7)), undefined);
});
