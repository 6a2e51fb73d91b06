import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from './lab.ts';

const topology = {
  sites: [
    { name: 'fra', hosts: ['a', 'b'] },
    { name: 'nyc', hosts: ['c'] },
  ],
};
/** Long enough for any answer on this machine, and not waited for when one comes. */
const silenceMs = 300;

test('separated hosts hear nothing of each other by either family, and everybody else hears both', async () => {
  await using lab = await createLab({ topology });
  const [a, b, c] = [lab.node('a'), lab.node('b'), lab.node('c')];
  const separation = await lab.separate(['a'], ['c']);
  for (const family of ['ipv4', 'ipv6'] as const) {
    const options = { timeoutMs: silenceMs };
    assert.equal((await a.ping(c.address(family), options)).received, 0, family);
    assert.equal((await c.ping(a.address(family), options)).received, 0, family);
    assert.equal((await b.ping(a.address(family))).received, 1, family);
    assert.equal((await b.ping(c.address(family))).received, 1, family);
  }
  await separation.end();
  assert.equal((await a.ping(c.address('ipv4'))).received, 1);
});

test('a separation that ends leaves another one as it is', async () => {
  await using lab = await createLab({ topology });
  const [a, b, c] = [lab.node('a'), lab.node('b'), lab.node('c')];
  const first = await lab.separate(['a'], ['b', 'c']);
  await lab.separate(['b'], ['c']);
  await first.end();
  assert.equal((await a.ping(b.address('ipv4'))).received, 1);
  assert.equal((await b.ping(c.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
});
