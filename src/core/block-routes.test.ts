import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MasterName, parseMasterName, parseSubsetName } from '../model/names.ts';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import { blockPairs } from './addressing.ts';
import { type BlockRoute, planBlockRoutes, type RoutingFacts } from './block-routes.ts';
import { lingerMs, noDeliveries, updateDeliveries } from './lingering.ts';

const names = ['alster', 'bille', 'elbe', 'spree', 'stranger'].map(parseMasterName) as [
  MasterName,
  ...MasterName[],
];
const [home, ...others] = names;
const backups = others.slice(0, 3);
const record: SubsetRecord = {
  version: 1,
  name: parseSubsetName('hamburg'),
  index: 1,
  ipv6Block: parsePrefix('fd12:3456:789a:1::/64'),
  ipv4Blocks: ['100.64.0.0/24', '100.64.1.0/24', '100.64.2.0/24', '100.64.4.0/23'].map(parsePrefix),
  acting: home,
  backups,
  createdAtMs: 0,
};
const serving = [home, ...backups];

/** What a master believes. */
interface Belief {
  readonly acting: MasterName;
  readonly drained: ReadonlySet<MasterName>;
  readonly alive: ReadonlySet<MasterName>;
}

const someMasters = fc.subarray(names).map((some) => new Set(some));
const beliefs: fc.Arbitrary<Belief> = fc.record({
  acting: fc.constantFrom(...serving),
  drained: someMasters,
  alive: someMasters,
});

function plan(self: MasterName, belief: Belief, changes: Partial<RoutingFacts> = {}) {
  return planBlockRoutes({
    self,
    subsets: [{ record, acting: belief.acting }],
    drained: belief.drained,
    served: new Set(serving.includes(self) ? [record.name] : []),
    isAlive: (master) => belief.alive.has(master),
    lingering: new Set(),
    strays: [],
    ...changes,
  });
}

type RoutesOf = ReadonlyMap<MasterName, readonly BlockRoute[]>;

/** Follows a packet for the destination from one master to the next. @returns whom it has visited */
function follow(routesOf: RoutesOf, from: MasterName, destination: string): readonly MasterName[] {
  const visited: MasterName[] = [];
  let at: BlockRoute['via'] | undefined = from;
  while (at !== undefined && at !== 'members') {
    assert.ok(!visited.includes(at), `${[...visited, at].join(' → ')} goes in a circle`);
    visited.push(at);
    at = routesOf.get(at)?.find((route) => route.destination === destination)?.via;
  }
  assert.equal(at, 'members', 'the packet ends at a master that has the members');
  return visited;
}

function assertNoCircles(routesOf: RoutesOf): void {
  for (const { ipv4, ipv6 } of blockPairs(record))
    for (const from of names) for (const to of [ipv4, ipv6]) follow(routesOf, from, to);
}

test('every block has one route, in both families by the same way', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), beliefs, (self, belief) => {
      const routes = plan(self, belief);
      const via = new Map(routes.map((route) => [route.destination, route.via]));
      assert.equal(via.size, routes.length);
      assert.equal(routes.length, 2 * record.ipv4Blocks.length);
      for (const { ipv4, ipv6 } of blockPairs(record)) assert.equal(via.get(ipv4), via.get(ipv6));
    }),
  );
});

test('no packet goes in a circle, whoever each master believes to be alive', () => {
  const views = fc.tuple(...names.map(() => someMasters));
  fc.assert(
    fc.property(beliefs, views, (belief, alive) => {
      const routesOf = new Map(
        names.map((self, at) => [self, plan(self, { ...belief, alive: alive[at] ?? new Set() })]),
      );
      assertNoCircles(routesOf);
    }),
  );
});

test('nor while some have heard of a change and others have not', () => {
  const heard = fc.tuple(...names.map(() => fc.boolean()));
  fc.assert(
    fc.property(beliefs, beliefs, heard, (before, after, whoHeard) => {
      // Whoever is dead sends nothing, so all that matter see the same.
      const now = { ...after, alive: before.alive };
      const routesOf = new Map(
        names.map((self, at) => {
          const old = plan(self, before);
          if (!whoHeard[at]) return [self, old];
          const preferred = plan(self, now);
          const deliveries = updateDeliveries(
            updateDeliveries(noDeliveries, old, 0),
            preferred,
            10,
          );
          return [self, plan(self, now, { lingering: new Set(deliveries.lingering.keys()) })];
        }),
      );
      for (const { ipv4 } of blockPairs(record))
        for (const from of before.alive) if (isSane(before)) follow(routesOf, from, ipv4);
    }),
  );
});

/** Somebody is alive who serves the subset; else nothing is delivered anyway. */
const isSane = ({ alive }: Belief): boolean => serving.every((master) => alive.has(master));

test('the members of a master that dies are shared by its backups, block by block', () => {
  const alive = new Set(others);
  const stranger = plan(names[4] ?? home, { acting: home, drained: new Set(), alive });
  const vias = blockPairs(record).map(
    ({ ipv4 }) => stranger.find(({ destination }) => destination === ipv4)?.via,
  );
  assert.deepEqual(vias, [backups[0], backups[1], backups[2], backups[0]]);
});

test('when nobody is alive the first is tried, and a master that serves delivers itself', () => {
  const belief = { acting: home, drained: new Set<MasterName>(), alive: new Set<MasterName>() };
  const via = (self: MasterName) => new Set(plan(self, belief).map((route) => route.via));
  assert.deepEqual(via(names[4] ?? home), new Set([home]));
  assert.deepEqual(via(names[1] ?? home), new Set(['members']));
});

test('a stray member has routes of its own', () => {
  const addresses = ['100.64.0.9', 'fd12:3456:789a:1::9'].map(parseAddress);
  const belief = { acting: home, drained: new Set<MasterName>(), alive: new Set(names) };
  const routes = plan(home, belief, { strays: [{ addresses, via: names[1] ?? home }] });
  assert.deepEqual(
    routes.slice(-2),
    ['100.64.0.9/32', 'fd12:3456:789a:1::9/128'].map((destination) => ({
      destination,
      via: names[1],
    })),
  );
});

test('lingering has no effect on blocks whose members have no tunnels here', () => {
  const belief = { acting: home, drained: new Set<MasterName>(), alive: new Set(names) };
  const lingering = new Set(record.ipv4Blocks);
  const stranger = plan(names[4] ?? home, belief, { lingering });
  assert.ok(stranger.every(({ via }) => via === home));
});

test('what was delivered here is delivered on for three seconds, what comes back at once', () => {
  const destination = record.ipv4Blocks[0] ?? record.ipv6Block;
  const own = [{ destination, via: 'members' as const }];
  const away = [{ destination, via: home }];
  const delivering = updateDeliveries(noDeliveries, own, 1_000);
  const left = updateDeliveries(delivering, away, 2_000);
  assert.deepEqual([...left.lingering], [[destination, 2_000 + lingerMs]]);
  // A further change does not begin the time anew.
  const later = updateDeliveries(left, away, 4_000);
  assert.deepEqual([...later.lingering], [[destination, 2_000 + lingerMs]]);
  assert.equal(updateDeliveries(later, away, 2_000 + lingerMs).lingering.size, 0);
  const back = updateDeliveries(later, own, 4_500);
  assert.deepEqual([[...back.own], back.lingering.size], [[destination], 0]);
  assert.equal(updateDeliveries(noDeliveries, away, 5_000).lingering.size, 0);
});
