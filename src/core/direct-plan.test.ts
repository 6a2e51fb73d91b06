import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import {
  presharedKeySchema,
  wireguardPrivateKeySchema,
  wireguardPublicKeySchema,
} from '../model/wireguard-key.ts';
import { type PlannedPeer, planDirectSteps } from './direct-plan.ts';
import { planMember } from './member-plan.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

const peer = (byte: number, changes: Partial<PlannedPeer> = {}): PlannedPeer => ({
  publicKey: wireguardPublicKeySchema.parse(key(byte)),
  isKeptAlive: true,
  member: {
    ipv4: parseAddress(`100.64.0.${byte}`),
    ipv6: parseAddress(`fd12:3456:789a:1::${byte}`),
  },
  isRouted: false,
  installation: 1,
  ...changes,
});

const membership = (vpnIpv6: string, name: string) => ({
  privateKey: wireguardPrivateKeySchema.parse(key(1)),
  paths: [
    { interfaceName: `${name}a`, mtuBytes: 1_420 },
    { interfaceName: `${name}b`, mtuBytes: 1_380 },
  ],
  admission: {
    vpnId: '00c0ffee',
    prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
    ipv4: parseAddress('100.64.0.2'),
    ipv6: parseAddress(vpnIpv6),
    using: `${name}a`,
  },
  direct: {
    ...{ interfaceName: `${name}d`, listenPort: 40_001 },
    peers: [
      { ...peer(5, { isRouted: true }), presharedKey: presharedKeySchema.parse(key(3)) },
      { ...peer(6), presharedKey: presharedKeySchema.parse(key(4)) },
    ],
  },
});

test('direct peers share an interface, and only those in use have routes', () => {
  const [, , direct] = planMember([membership('fd12:3456:789a:1::2', 'hns0')]).interfaces;
  assert.equal(direct?.name, 'hns0d');
  assert.equal(direct?.listenPort, 40_001);
  assert.equal(direct?.mtuBytes, 1_380, 'what fits one way has to fit all');
  assert.equal(direct?.peers.length, 2);
  assert.deepEqual(
    direct?.routes.map(({ destination }) => destination),
    ['100.64.0.5/32', 'fd12:3456:789a:1::5/128'],
  );
});

test('over a further membership of a VPN no IPv4 is routed, also not directly', () => {
  const first = membership('fd12:3456:789a:1::2', 'hns0');
  const second = membership('fd12:3456:789a:2::2', 'hns1');
  const { interfaces } = planMember([{ ...first, direct: { ...first.direct, peers: [] } }, second]);
  const direct = interfaces.find(({ name }) => name === 'hns1d');
  assert.deepEqual(
    direct?.routes.map(({ destination }) => destination),
    ['fd12:3456:789a:1::5/128'],
  );
});

test('what is only added or changed is one step', () => {
  assert.deepEqual(planDirectSteps([], [peer(5)]), [[peer(5)]]);
  const routed = peer(5, { isRouted: true });
  assert.deepEqual(planDirectSteps([peer(5)], [routed]), [[routed]]);
  assert.deepEqual(planDirectSteps([routed], [peer(5)]), [[peer(5)]]);
});

test('a route goes before its peer', () => {
  const routed = peer(5, { isRouted: true });
  assert.deepEqual(planDirectSteps([routed, peer(6)], [peer(6)]), [[peer(5), peer(6)], [peer(6)]]);
});

test('what is to be put in anew is taken out first', () => {
  const again = peer(5, { installation: 2 });
  assert.deepEqual(planDirectSteps([peer(5), peer(6)], [again, peer(6)]), [
    [peer(6)],
    [again, peer(6)],
  ]);
});
