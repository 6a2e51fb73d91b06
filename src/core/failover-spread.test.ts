import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failoverSpreadMs, isSpreadStale } from './failover-spread.ts';

test('the spread follows the number of members, within bounds', () => {
  assert.deepEqual(
    [0, 50, 1_000, 10_000, 10_000_000].map(failoverSpreadMs),
    [256, 256, 2_500, 25_000, 65_536],
  );
});

test('a member is told of a spread that it does not know, or that is off by a quarter', () => {
  assert.equal(isSpreadStale(undefined, 256), true);
  assert.equal(isSpreadStale(10_000, 10_000), false);
  assert.equal(isSpreadStale(10_000, 12_500), false);
  assert.equal(isSpreadStale(10_000, 12_501), true);
  assert.equal(isSpreadStale(12_501, 10_000), true);
});
