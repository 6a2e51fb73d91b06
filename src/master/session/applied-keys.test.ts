import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { AppliedKeys } from './applied-keys.ts';

const [europe, asia] = [parseSubsetName('europe'), parseSubsetName('asia')];
const [anna, berta] = [parseMemberName('anna'), parseMemberName('berta')];

test('of each subset only the newest key counts, and late words of older ones change nothing', () => {
  const applied = new AppliedKeys();
  applied.add(europe, anna, 4);
  assert.equal(applied.has(europe, anna, 4), true);
  assert.equal(applied.has(europe, anna, 5), false);
  assert.equal(applied.has(asia, anna, 4), false);
  applied.add(europe, berta, 5);
  applied.add(europe, anna, 4);
  assert.equal(applied.has(europe, anna, 5), false);
  assert.equal(applied.has(europe, berta, 5), true);
  applied.add(europe, anna, 5);
  assert.equal(applied.has(europe, anna, 5), true);
  applied.forget(europe);
  assert.equal(applied.has(europe, anna, 5), false);
});
