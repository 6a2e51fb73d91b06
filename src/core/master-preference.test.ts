import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MasterName, parseMasterName } from '../model/names.ts';
import { preferenceOrder, preferenceOrders, type ServingMasters } from './master-preference.ts';

const names = ['home', 'one', 'two', 'three'].map(parseMasterName);
const [home, one, two, three] = names as [MasterName, MasterName, MasterName, MasterName];
const nobody: ReadonlySet<MasterName> = new Set();

const servings: fc.Arbitrary<ServingMasters> = fc.record({
  home: fc.constant(home),
  acting: fc.constantFrom(...names),
  backups: fc.shuffledSubarray([one, two, three]),
  drained: fc.subarray(names).map((drained) => new Set(drained)),
});

test('the home master comes first while it acts, and last when it does not', () => {
  const backups = [one, two];
  assert.deepEqual(preferenceOrder({ home, acting: home, backups, drained: nobody }, 1), [
    ...[home, two, one],
  ]);
  assert.deepEqual(preferenceOrder({ home, acting: one, backups, drained: nobody }, 1), [
    ...[two, one, home],
  ]);
});

test('every master is in every order once, and drained ones come last', () => {
  fc.assert(
    fc.property(servings, fc.nat(70), (masters, ordinal) => {
      const order = preferenceOrder(masters, ordinal);
      assert.deepEqual([...order].sort(), [masters.home, ...masters.backups].sort());
      const firstDrained = order.findIndex((master) => masters.drained.has(master));
      if (firstDrained >= 0)
        assert.ok(order.slice(firstDrained).every((master) => masters.drained.has(master)));
    }),
  );
});

test('as many orders as there are backups stand for all blocks', () => {
  fc.assert(
    fc.property(servings, fc.nat(70), (masters, ordinal) => {
      const orders = preferenceOrders(masters);
      assert.deepEqual(orders[ordinal % orders.length], preferenceOrder(masters, ordinal));
    }),
  );
});

test('the blocks of a dead master are split over its backups', () => {
  const masters = { home, acting: one, backups: [one, two, three], drained: nobody };
  const firsts = [0, 1, 2, 3].map((ordinal) => preferenceOrder(masters, ordinal)[0]);
  assert.deepEqual(firsts, [one, two, three, one]);
});
