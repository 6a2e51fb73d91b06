import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspectHost } from '../../src/host/doctor.ts';
import { ownerMark } from '../../src/host/interface-name.ts';
import { underlayMtuBytes } from '../../src/host/mtu.ts';
import { assertNoOverlap, findOverlaps } from '../../src/host/network-overlap.ts';
import { createRunner } from '../../src/host/runner.ts';
import { createSystemHost } from '../../src/member/system-host.ts';
import { parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import { silentLog } from '../../src/runtime/log.ts';
import {
  connectNamespaces,
  createNamespace,
  type NetworkNamespace,
} from '../support/network-namespace.ts';

describe('what a daemon asks about its machine', () => {
  const stack = new AsyncDisposableStack();
  const none = new Set<string>();
  let space: NetworkNamespace;

  before(async () => {
    space = stack.use(await createNamespace('inspected'));
    const other = stack.use(await createNamespace('neighbour'));
    await connectNamespaces(
      { namespace: space, device: 'wire', address: '100.64.7.1/24' },
      { namespace: other, device: 'wire', address: '100.64.7.2/24' },
    );
    await space.sh('ip address add fd00:7::1/64 dev wire nodad');
    await space.sh('ip route add default via 100.64.7.2');
    await space.sh('ip route add 0.0.0.0/1 via 100.64.7.2');
    await space.sh('ip route add 10.20.0.0/16 via 100.64.7.2 mtu 1400');
    await space.sh('ip route add unreachable 10.30.0.0/16');
    await space.sh('ip route add 10.40.0.0/16 via 100.64.7.2 table 77');
  });
  after(() => stack.disposeAsync());

  async function overlapsOf(...prefixes: string[]): Promise<readonly string[]> {
    const found = await findOverlaps(prefixes.map(parsePrefix), none, space.runner);
    return found.map(({ interfaceName, prefix }) => `${prefix} ${interfaceName}`.trim()).sort();
  }

  it('finds networks within, around and beside the prefixes, in all tables and both families', async () => {
    assert.deepEqual(await overlapsOf('100.64.0.0/10'), ['100.64.7.0/24 wire']);
    assert.deepEqual(await overlapsOf('100.64.7.128/25'), ['100.64.7.0/24 wire']);
    assert.deepEqual(await overlapsOf('100.65.0.0/16'), []);
    assert.deepEqual(await overlapsOf('fd00:7::/48'), ['fd00:7::/64 wire']);
    assert.deepEqual(await overlapsOf('10.0.0.0/8'), [
      '10.20.0.0/16 wire',
      '10.30.0.0/16',
      '10.40.0.0/16 wire',
    ]);
  });

  it('does not count default routes, whole or halved, nor our own interfaces', async () => {
    assert.deepEqual(await overlapsOf('10.99.0.0/16', 'fd00:99::/48'), []);
    const own = new Set(['wire']);
    assert.deepEqual(await findOverlaps([parsePrefix('100.64.0.0/10')], own, space.runner), []);
  });

  it('refuses an overlap by naming what overlaps and where', async () => {
    await assertNoOverlap([parsePrefix('10.99.0.0/16')], none, space.runner);
    await assert.rejects(assertNoOverlap([parsePrefix('100.64.0.0/10')], none, space.runner), {
      code: 'overlap',
      fields: { overlaps: ['100.64.7.0/24 on wire'] },
      message: /already uses addresses of the VPN \(100\.64\.0\.0\/10\): 100\.64\.7\.0\/24 on wire/,
    });
  });

  it('knows interfaces that an earlier process of the same member has left, before it makes any', async () => {
    const owner = 'member:left-behind';
    await space.sh('ip tuntap add dev left mode tun');
    await space.sh('ip address add 100.80.0.2/32 dev left');
    await space.sh('ip link set left up');
    await space.sh('ip route add 100.80.0.0/12 dev left');
    const prefixes = [parsePrefix('100.80.0.0/12')];
    const hostOf = (of: string) => createSystemHost(of, { runner: space.runner, log: silentLog() });
    const host = await hostOf(owner);
    await assert.rejects(host.assertNoOverlap(prefixes), { code: 'overlap' });
    await space.sh(`ip link set left alias ${ownerMark(owner).alias}`);
    await host.assertNoOverlap(prefixes);
    const other = await hostOf('member:another');
    await assert.rejects(other.assertNoOverlap(prefixes), { code: 'overlap' });
  });

  it('knows the MTU of the way to an address', async () => {
    const mtuTo = (address: string) => underlayMtuBytes(parseAddress(address), space.runner);
    assert.equal(await mtuTo('8.8.8.8'), 1_500);
    assert.equal(await mtuTo('10.20.0.1'), 1_400);
    assert.equal(await mtuTo('127.0.0.1'), 65_536);
    await assert.rejects(mtuTo('2001:db8::1'), { code: 'no-route', retryable: true });
    await assert.rejects(mtuTo('10.30.0.1'), { code: 'no-route' });
  });

  it('finds nothing missing on a machine that can run these tests', async () => {
    const findings = await inspectHost(
      { role: 'master', dataDirectory: '/var/lib/hanse/that/does/not/exist' },
      { runner: createRunner(), nowMs: Date.now() },
    );
    assert.deepEqual(
      findings.filter(({ status }) => status === 'missing'),
      [],
    );
    const wireguard = findings.find(({ check }) => check === 'wireguard');
    assert.match(wireguard?.found ?? '', /^(kernel|wireguard-go 0\.0\.20\d{6} at \/)/);
  });

  it('says what to install and what to set on a machine that lacks it', async () => {
    const runner = {
      ...createRunner(),
      run: () => Promise.reject(new Error('no such program')),
    };
    const findings = await inspectHost(
      { role: 'member', dataDirectory: '/' },
      { runner, nowMs: 0 },
    );
    const missing = findings.filter(({ status }) => status === 'missing');
    assert.deepEqual(missing.map(({ check }) => check).sort(), [
      'clock',
      'ip',
      'nft',
      'ss',
      'wg',
      'wireguard',
    ]);
    assert.ok(missing.every(({ advice }) => advice !== undefined));
  });
});
