import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressAt,
  hostPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixBits,
  prefixesOverlap,
  prefixSize,
} from '../model/prefix.ts';
import type { AllocationRecord } from '../model/records/directory.ts';
import {
  AddressingError,
  addressCapacity,
  addressesAt,
  addressIndexOf,
  blockOrdinalOf,
  blockPairs,
  isSealedAddress,
  masterLinkLocal,
  memberLinkLocal,
  nextAddressIndex,
  nextIpv4BlockLength,
  sealedAddress,
  subsetIpv6Block,
  takeIpv4Block,
  uniqueLocalPrefix,
  unsealedAddress,
} from './addressing.ts';

const nothingTaken: AllocationRecord = {
  version: 1,
  nextMasterIndex: 1,
  nextSubsetIndex: 1,
  ipv4Used: 0,
};
const vpnIpv4 = parsePrefix('100.64.0.0/10');

test('a unique local prefix is fd and the global id', () => {
  assert.equal(
    uniqueLocalPrefix(Uint8Array.of(0x12, 0x34, 0x56, 0x78, 0x9a)),
    'fd12:3456:789a::/48',
  );
});

test('a subset has the /64 of its index', () => {
  assert.equal(subsetIpv6Block(parsePrefix('fd12:3456:789a::/48'), 0x1f), 'fd12:3456:789a:1f::/64');
});

test('blocks never overlap, whatever their sizes and order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 14, max: 30 }), { maxLength: 12 }), (lengths) => {
      const blocks: Prefix[] = [];
      let allocation = nothingTaken;
      for (const length of lengths) {
        const taken = takeIpv4Block(vpnIpv4, allocation, length);
        allocation = taken.allocation;
        assert.ok(prefixesOverlap(taken.block, vpnIpv4));
        assert.ok(blocks.every((other) => !prefixesOverlap(other, taken.block)));
        blocks.push(taken.block);
      }
    }),
  );
});

test('a full prefix refuses another block and says what to do', () => {
  const { allocation } = takeIpv4Block(parsePrefix('10.0.0.0/24'), nothingTaken, 25);
  const last = takeIpv4Block(parsePrefix('10.0.0.0/24'), allocation, 25);
  assert.equal(last.block, '10.0.0.128/25');
  assert.throws(
    () => takeIpv4Block(parsePrefix('10.0.0.0/24'), last.allocation, 25),
    AddressingError,
  );
});

test('a subset doubles when it has outgrown its blocks', () => {
  assert.equal(nextIpv4BlockLength([parsePrefix('10.0.0.0/24')]), 24);
  assert.equal(nextIpv4BlockLength([parsePrefix('10.0.0.0/24'), parsePrefix('10.0.1.0/24')]), 23);
});

test('a place is in the same block in both families', () => {
  const blocks = {
    ipv6Block: parsePrefix('fd00:0:0:1::/64'),
    ipv4Blocks: [parsePrefix('10.0.0.0/30'), parsePrefix('10.0.0.8/29')],
  };
  const pairs = blockPairs(blocks);
  assert.deepEqual(
    pairs.map(({ ipv6 }) => ipv6),
    ['fd00:0:0:1::/96', 'fd00::1:0:1:0:0/96'],
  );
  for (let place = 1; place <= addressCapacity(blocks.ipv4Blocks); place += 1) {
    const { ipv4, ipv6 } = addressesAt(blocks, place);
    const pair = pairs[blockOrdinalOf(ipv6)];
    assert.ok(pair && prefixesOverlap(hostPrefix(ipv4), pair.ipv4), ipv4);
    assert.ok(prefixesOverlap(hostPrefix(ipv6), pair.ipv6), ipv6);
  }
});

test('no two members of any subsets have the same link-local address, nor that of their master', () => {
  const ipv4Blocks = [parsePrefix('10.0.0.0/29'), parsePrefix('10.0.0.16/28')];
  const all = [1, 2, 65_535].flatMap((index) => {
    const blocks = { ipv4Blocks, ipv6Block: subsetIpv6Block(parsePrefix('fd00::/48'), index) };
    return Array.from({ length: 20 }, (_, place) =>
      memberLinkLocal(addressesAt(blocks, place + 1).ipv6),
    );
  });
  assert.equal(new Set([...all, masterLinkLocal]).size, all.length + 1);
  assert.equal(masterLinkLocal, 'fe80::1');
  assert.equal(all[0], 'fe80::1:0:0:1');
});

test('every place has addresses of its own, in both families and over several blocks', () => {
  const blocks = {
    ipv6Block: parsePrefix('fd00:0:0:1::/64'),
    ipv4Blocks: [parsePrefix('10.0.0.0/29'), parsePrefix('10.0.0.16/28')],
  };
  const capacity = addressCapacity(blocks.ipv4Blocks);
  assert.equal(capacity, 6 + 14);
  const places = Array.from({ length: capacity }, (_, place) => addressesAt(blocks, place + 1));
  assert.equal(new Set(places.map(({ ipv4 }) => ipv4)).size, capacity);
  assert.deepEqual(places[0], { ipv4: '10.0.0.1', ipv6: 'fd00:0:0:1::1' });
  assert.deepEqual(places[6], { ipv4: '10.0.0.17', ipv6: 'fd00::1:0:1:0:1' });
  assert.throws(() => addressesAt(blocks, capacity + 1), RangeError);
  assert.throws(() => addressesAt(blocks, 0), RangeError);
});

test('an address of either family leads back to its place, whatever the blocks, and no other address to any', () => {
  const anyBlocks = fc
    .array(fc.integer({ min: 24, max: 30 }), { minLength: 1, maxLength: 6 })
    .map((lengths) => {
      let allocation = nothingTaken;
      const ipv4Blocks = lengths.map((length) => {
        const taken = takeIpv4Block(vpnIpv4, allocation, length);
        allocation = taken.allocation;
        return taken.block;
      });
      return { ipv4Blocks, ipv6Block: parsePrefix('fd00:0:0:1::/64') };
    });
  fc.assert(
    fc.property(anyBlocks, fc.nat(), (blocks, draw) => {
      const place = 1 + (draw % addressCapacity(blocks.ipv4Blocks));
      const { ipv4, ipv6 } = addressesAt(blocks, place);
      assert.equal(addressIndexOf(blocks, ipv4), place);
      assert.equal(addressIndexOf(blocks, ipv6), place);
      for (const pair of blockPairs(blocks)) {
        const last = prefixSize(prefixBits(pair.ipv4)) - 1n;
        for (const offset of [0n, last]) {
          assert.equal(addressIndexOf(blocks, addressAt(pair.ipv4, offset)), undefined);
          assert.equal(addressIndexOf(blocks, addressAt(pair.ipv6, offset)), undefined);
        }
      }
    }),
  );
  const blocks = {
    ipv6Block: parsePrefix('fd00:0:0:1::/64'),
    ipv4Blocks: [parsePrefix('10.0.0.0/29'), parsePrefix('10.0.0.16/28')],
  };
  const outside = ['10.0.0.9', '10.0.0.33', '9.255.255.255', 'fd00:0:0:2::1', 'fd00::1'];
  for (const text of [...outside, 'fd00:0:0:1:1::1', 'fd00::1:0:2:0:1', '::1', 'fe80::1']) {
    assert.equal(addressIndexOf(blocks, parseAddress(text)), undefined, text);
  }
});

test('places are given in turn, each once, never the master’s, until none is free', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 60 }),
      fc.integer({ min: 0, max: 60 }),
      (capacity, start) => {
        const taken = new Set<number>();
        let last = Math.min(start, capacity);
        for (let round = 0; round < capacity - 1; round += 1) {
          const index = nextAddressIndex(taken, last, capacity);
          assert.ok(index !== undefined && index >= 2 && index <= capacity && !taken.has(index));
          taken.add(index);
          last = index;
        }
        assert.equal(nextAddressIndex(taken, last, capacity), undefined);
      },
    ),
  );
});

test('a place that was freed is given again only after all the others', () => {
  const taken = new Set([2, 3, 4]);
  taken.delete(3);
  assert.equal(nextAddressIndex(taken, 4, 10), 5);
});

test('every place has a sealed address in its own block, which is the address of no place and leads back', () => {
  const blocks = {
    ipv6Block: parsePrefix('fd12:3456:789a:1::/64'),
    ipv4Blocks: [parsePrefix('10.0.0.0/8'), parsePrefix('100.64.0.0/16')],
  };
  const pairs = blockPairs(blocks);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: addressCapacity(blocks.ipv4Blocks) }), (index) => {
      const { ipv4, ipv6 } = addressesAt(blocks, index);
      const sealed = sealedAddress(ipv6);
      const own = pairs[blockOrdinalOf(ipv6)]?.ipv6;
      assert.ok(own && prefixesOverlap(own, hostPrefix(sealed)));
      assert.equal(addressIndexOf(blocks, sealed), undefined);
      assert.equal(unsealedAddress(sealed), ipv6);
      assert.deepEqual([ipv4, ipv6, sealed].map(isSealedAddress), [false, false, true]);
    }),
  );
});
