import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SystemGraph, type SystemLink } from './system-graph.ts';

const link = (one: number, other: number, relation: SystemLink['relation']): SystemLink => ({
  ...{ one, other, relation },
});

/** 1 and 2 are peers at the top; 10 and 11 buy from 1, 20 from 2; 30 buys from 10 and from 20. */
const graph = new SystemGraph([
  link(1, 2, 'peer'),
  link(1, 10, 'provider'),
  link(1, 11, 'provider'),
  link(2, 20, 'provider'),
  link(10, 30, 'provider'),
  link(20, 30, 'provider'),
  link(11, 12, 'sibling'),
]);

test('a path goes up, across once, and down', () => {
  assert.equal(graph.distance(10, 10), 0);
  assert.equal(graph.distance(10, 11), 2);
  assert.equal(graph.distance(11, 20), 3);
  assert.equal(graph.distance(30, 2), 2);
  assert.equal(graph.distance(12, 10), 3);
});

test('nobody carries traffic between its providers', () => {
  // By way of 30 there would be two links.
  assert.equal(graph.distance(10, 20), 3);
  const valley = new SystemGraph([link(10, 30, 'provider'), link(20, 30, 'provider')]);
  assert.equal(valley.distance(10, 20), undefined);
  const twice = new SystemGraph([link(1, 2, 'peer'), link(2, 3, 'peer')]);
  assert.equal(twice.distance(1, 3), undefined);
});

test('a system that is in no link is nowhere, but in itself', () => {
  assert.equal(graph.distance(64_500, 10), undefined);
  assert.equal(graph.distance(10, 64_500), undefined);
  assert.equal(graph.distance(64_500, 64_500), 0);
});

const someLinks = fc.array(
  fc
    .tuple(fc.nat(9), fc.nat(9), fc.constantFrom('provider', 'peer', 'sibling'))
    .map(([one, other, relation]) => link(one, other, relation)),
  { maxLength: 25 },
);

/** All paths that may be, by trying every one. */
function shortest(links: readonly SystemLink[], from: number, to: number): number {
  const seen = new Set<string>();
  let reached: [number, boolean][] = [[from, false]];
  for (let length = 0; reached.length > 0; length += 1) {
    if (reached.some(([at]) => at === to)) return length;
    reached = reached.flatMap(([at, isDown]) => {
      if (seen.has(`${at} ${isDown}`)) return [];
      seen.add(`${at} ${isDown}`);
      return links.flatMap(({ one, other, relation }): [number, boolean][] => {
        const next: [number, boolean][] = [];
        if (one === at && relation === 'provider') next.push([other, true]);
        if (other === at && relation === 'provider' && !isDown) next.push([one, false]);
        for (const [here, there] of [[one, other] as const, [other, one] as const]) {
          if (here === at && relation === 'sibling') next.push([there, isDown]);
          if (here === at && relation === 'peer' && !isDown) next.push([there, true]);
        }
        return next;
      });
    });
  }
  return Infinity;
}

test('the length is that of the shortest path that may be, the same from both ends', () => {
  fc.assert(
    fc.property(someLinks, fc.nat(9), fc.nat(9), (links, one, other) => {
      const some = new SystemGraph(links);
      const length = some.distance(one, other);
      assert.equal(length ?? Infinity, shortest(links, one, other));
      assert.equal(some.distance(other, one), length);
    }),
  );
});
