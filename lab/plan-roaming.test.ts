import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError } from './lab-error.ts';
import { planStay } from './plan-roaming.ts';
import { planTopology } from './plan-topology.ts';

const hosts = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

test('every guest has an address of its own at a site, and the same each time', () => {
  const plan = planTopology({
    sites: [
      { name: 'home', nat: 'port-restricted', hosts: ['laptop', 'phone'] },
      { name: 'fra', hosts: ['a', 'b'] },
    ],
  });
  const addressOf = (host: string) => planStay(plan, host, 'fra').node.addresses.ipv4.ip;
  assert.deepEqual(['laptop', 'phone', 'a', 'laptop'].map(addressOf), [
    '198.19.2.13',
    '198.19.2.14',
    '198.19.2.11',
    '198.19.2.13',
  ]);
});

test('a guest that would have no address is refused', () => {
  const plan = planTopology({
    sites: [
      { name: 'full', hosts: hosts('own', 240) },
      { name: 'other', hosts: hosts('guest', 5) },
    ],
  });
  assert.equal(planStay(plan, 'guest4', 'full').node.addresses.ipv4.ip, '198.19.1.254');
  assert.throws(
    () => planStay(plan, 'guest5', 'full'),
    (error) =>
      error instanceof LabError &&
      error.code === 'cannot-roam' &&
      /full has no address left for guest5/.test(error.message),
  );
});
