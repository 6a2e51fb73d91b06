import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName, parseSubsetName } from '../model/names.ts';
import { explainRefusal, explainStanding, mastersToRenew, pickUnbound } from './unbound-masters.ts';

const of = (subset: string, ...masters: readonly string[]) => ({
  subset: parseSubsetName(subset),
  masters: masters.map(parseMasterName),
});

test('what is unbound is told by subset, and each master is renewed once', () => {
  const unbound = pickUnbound([of('europe', 'sin', 'fra'), of('africa'), of('asia', 'sin')]);
  assert.deepEqual(unbound, [of('asia', 'sin'), of('europe', 'sin', 'fra')]);
  assert.deepEqual(mastersToRenew(unbound), ['fra', 'sin']);
  for (const text of [explainRefusal(unbound), explainStanding(unbound)]) {
    assert.match(text, /yet: asia \(sin\), europe \(sin, fra\);/);
    assert.match(text, /run `hanse master renew fra`, `hanse master renew sin` where/);
  }
});

test('where nothing is missing, nothing is to be done', () => {
  assert.deepEqual(pickUnbound([of('asia')]), []);
  assert.doesNotMatch(explainStanding([]), /renew/);
});
