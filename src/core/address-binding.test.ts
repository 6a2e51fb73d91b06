import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import {
  bindsAll,
  contradictedAddresses,
  provableBlocks,
  unprovedAddresses,
} from './address-binding.ts';
import { addressCapacity, addressesAt } from './addressing.ts';

const europe = {
  ipv6Block: parsePrefix('fd00:1:2:1::/64'),
  ipv4Blocks: [parsePrefix('100.64.0.0/24'), parsePrefix('100.64.4.0/23')],
};
const asia = {
  ipv6Block: parsePrefix('fd00:1:2:2::/64'),
  ipv4Blocks: [parsePrefix('100.64.1.0/24')],
};
const places = (blocks: typeof europe) =>
  fc
    .integer({ min: 1, max: addressCapacity(blocks.ipv4Blocks) })
    .map((index) => addressesAt(blocks, index));

test('the addresses of every place of the blocks are proved, and only to who is told of them', () => {
  fc.assert(
    fc.property(places(europe), places(europe), (addresses, others) => {
      const binding = { addresses, blocks: europe };
      assert.equal(unprovedAddresses(addresses, binding), undefined);
      if (others.ipv4 === addresses.ipv4) return;
      for (const told of [others, { ...addresses, ...{ ipv4: others.ipv4 } }]) {
        assert.match(unprovedAddresses(told, binding) ?? '', /not those of its certificate/);
      }
    }),
  );
});

test('no authority proves an address of another subset, or a pair that is of no one place', () => {
  fc.assert(
    fc.property(places(europe), places(asia), (victim, own) => {
      for (const addresses of [
        victim,
        { ipv4: victim.ipv4, ipv6: own.ipv6 },
        { ipv4: own.ipv4, ipv6: victim.ipv6 },
      ]) {
        const problem = unprovedAddresses(addresses, { addresses, blocks: asia });
        assert.match(problem ?? '', /not of the blocks that the root gave/);
      }
    }),
  );
});

test('a block that the subset got after its authority proves nothing, wherever it is claimed to be', () => {
  const blocks = { ...europe, ipv4Blocks: europe.ipv4Blocks.slice(0, 1) };
  const addresses = addressesAt(europe, 300);
  assert.match(unprovedAddresses(addresses, { addresses, blocks }) ?? '', /not of the blocks/);
  const lie = { ...addresses, ipv4: parseAddress('100.64.1.9') };
  assert.match(unprovedAddresses(lie, { addresses: lie, blocks }) ?? '', /not of the blocks/);
});

test('certificates of an earlier version prove nothing', () => {
  const addresses = addressesAt(europe, 7);
  assert.match(unprovedAddresses(addresses, { blocks: europe }) ?? '', /binds no addresses/);
  assert.match(unprovedAddresses(addresses, { addresses }) ?? '', /binds no address blocks/);
});

test('where nothing has to be proved only a contradiction counts', () => {
  const [addresses, other] = [addressesAt(europe, 7), addressesAt(europe, 8)];
  assert.equal(contradictedAddresses(addresses, {}), undefined);
  assert.equal(contradictedAddresses(addresses, { addresses }), undefined);
  assert.match(contradictedAddresses(addresses, { addresses: other }) ?? '', /not those of its/);
});

test('an authority binds all blocks as long as the subset has got no other', () => {
  const first = { ...europe, ipv4Blocks: europe.ipv4Blocks.slice(0, 1) };
  assert.ok(bindsAll(europe, europe));
  assert.ok(bindsAll(europe, first));
  assert.ok(!bindsAll(first, europe));
  assert.ok(!bindsAll(undefined, europe));
  assert.ok(!bindsAll(asia, { ...asia, ipv6Block: europe.ipv6Block }));
});

test('a block that one of the authorities does not bind is provable by none, nor any after it', () => {
  const first = { ...europe, ipv4Blocks: europe.ipv4Blocks.slice(0, 1) };
  const third = { ...europe, ipv4Blocks: [...europe.ipv4Blocks, parsePrefix('100.64.8.0/22')] };
  assert.deepEqual(provableBlocks(third, []), third);
  assert.deepEqual(provableBlocks(third, [third, third]), third);
  assert.deepEqual(provableBlocks(third, [third, europe]), europe);
  assert.deepEqual(provableBlocks(third, [first, third]), first);
  assert.deepEqual(provableBlocks(first, [third]), first);
  assert.deepEqual(provableBlocks(europe, [asia]).ipv4Blocks, []);
});
