import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName, parseMemberName } from '../../model/names.ts';
import { placementPolicySchema } from './policy.ts';
import { SystemGraph } from './system-graph.ts';
import { asPathLengths, systemsOfMasters } from './system-paths.ts';

const [fra, ams] = [parseMasterName('fra'), parseMasterName('ams')];
const [web, printer] = [parseMemberName('web-1'), parseMemberName('printer')];
const graph = new SystemGraph([
  { one: 1, other: 10, relation: 'provider' },
  { one: 1, other: 20, relation: 'provider' },
]);
const policy = (criteria: object = {}) =>
  placementPolicySchema.parse({
    criteria,
    places: {
      masters: { fra: { system: 10 }, ams: { site: 'ams-1' } },
      members: { printer: { system: 20 } },
    },
  });

test('a declared system wins over that of an address, and without both nobody knows', () => {
  const lengths = asPathLengths(graph, policy());
  assert.equal(lengths({ name: web, system: 1 }, fra), 1);
  assert.equal(lengths({ name: printer, system: 1 }, fra), 2);
  assert.equal(lengths({ name: web }, fra), undefined);
  assert.equal(lengths({ name: web, system: 7 }, fra), undefined, 'a system without links');
  assert.equal(lengths({ name: printer }, ams), undefined);
});

test('a policy goes by the systems of its masters when the criterion counts or limits', () => {
  assert.deepEqual([...systemsOfMasters(policy())], []);
  for (const asPathLength of [{ weight: 1 }, { atMost: 3 }]) {
    assert.deepEqual([...systemsOfMasters(policy({ asPathLength }))], [10]);
  }
});

test('what was explored is known', () => {
  const fresh = new SystemGraph([{ one: 1, other: 10, relation: 'peer' }]);
  assert.deepEqual([fresh.explore(10), fresh.explore(10), fresh.explore(99)], [true, false, false]);
  assert.equal(fresh.distance(10, 1), 1);
});
