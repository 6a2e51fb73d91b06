import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSubsetName } from '../model/names.ts';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import { createSubsetFinder } from './subset-finder.ts';

function subset(index: number, ...ipv4Blocks: readonly string[]): SubsetRecord {
  return {
    name: parseSubsetName(`subset-${index}`),
    ipv6Block: parsePrefix(`fd00:1:2:${index}::/64`),
    ipv4Blocks: ipv4Blocks.map(parsePrefix),
  } as SubsetRecord;
}

const find = createSubsetFinder([
  subset(3, '100.64.3.0/24'),
  subset(1, '100.64.1.0/24', '100.64.8.0/23'),
  subset(2, '100.64.2.0/24'),
]);
const nameAt = (address: string) => find(parseAddress(address))?.name;

test('a subset is found at the first and the last address of each of its blocks', () => {
  for (const [address, name] of [
    ['100.64.1.0', 'subset-1'],
    ['100.64.1.255', 'subset-1'],
    ['100.64.2.0', 'subset-2'],
    ['100.64.3.255', 'subset-3'],
    ['100.64.8.0', 'subset-1'],
    ['100.64.9.255', 'subset-1'],
    ['fd00:1:2:1::', 'subset-1'],
    ['fd00:1:2:3:ffff:ffff:ffff:ffff', 'subset-3'],
  ] as const) {
    assert.equal(nameAt(address), name, address);
  }
});

test('between and around the blocks nobody is found, nor without any', () => {
  for (const address of [
    '100.64.0.255',
    '100.64.4.0',
    '100.64.10.0',
    '0.0.0.0',
    'fd00:1:2:4::',
    '::1',
  ]) {
    assert.equal(nameAt(address), undefined, address);
  }
  assert.equal(createSubsetFinder([])(parseAddress('100.64.1.1')), undefined);
});
