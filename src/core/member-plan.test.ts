import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import {
  type PresharedKey,
  presharedKeySchema,
  wireguardPrivateKeySchema,
  wireguardPublicKeySchema,
} from '../model/wireguard-key.ts';
import {
  type AdmissionFacts,
  type MembershipFacts,
  type PathFacts,
  planMember,
} from './member-plan.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const presharedKey: PresharedKey = presharedKeySchema.parse(key(3));
const masterKey = wireguardPublicKeySchema.parse(key(2));
const backupKey = wireguardPublicKeySchema.parse(key(4));

const admission: AdmissionFacts = {
  vpnId: '00c0ffee',
  prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
  ipv4: parseAddress('100.64.0.2'),
  ipv6: parseAddress('fd12:3456:789a:1::2'),
  using: 'hns0',
};
const master = { publicKey: masterKey, presharedKey, endpoint: '192.0.2.1:51820' };
const path: PathFacts = { interfaceName: 'hns0', mtuBytes: 1420, master };
const backupPath: PathFacts = {
  interfaceName: 'hns1',
  mtuBytes: 1400,
  master: { publicKey: backupKey, presharedKey },
};
const membership: MembershipFacts = {
  privateKey: wireguardPrivateKeySchema.parse(key(1)),
  paths: [path],
  admission,
};
const second = (ipv6: string, vpn: Partial<AdmissionFacts> = {}): MembershipFacts => ({
  ...membership,
  paths: [{ ...path, interfaceName: 'hns8' }],
  admission: { ...admission, ipv6: parseAddress(ipv6), using: 'hns8', ...vpn },
});

test('a member reaches the whole VPN through its master', () => {
  assert.deepEqual(planMember([membership]), {
    interfaces: [
      {
        name: 'hns0',
        privateKey: key(1),
        mtuBytes: 1420,
        addresses: ['100.64.0.2', 'fd12:3456:789a:1::2'],
        linkLocal: 'fe80::1:0:0:2',
        peers: [
          {
            publicKey: masterKey,
            presharedKey,
            endpoint: '192.0.2.1:51820',
            allowedIps: ['fd12:3456:789a::/48', '100.64.0.0/10', 'fe80::1/128'],
            keepaliveSeconds: 25,
          },
        ],
        routes: [
          { destination: 'fd12:3456:789a::/48', source: 'fd12:3456:789a:1::2' },
          { destination: '100.64.0.0/10', source: '100.64.0.2' },
        ],
      },
    ],
  });
});

test('of several masters all have warm tunnels, and only routes say which is used', () => {
  const plans = ['hns0', 'hns1'].map((using) =>
    planMember([{ ...membership, paths: [path, backupPath], admission: { ...admission, using } }]),
  );
  const [first, other] = plans.map(({ interfaces }) => interfaces.map(({ routes }) => routes));
  assert.deepEqual(first, [other?.[1], []]);
  assert.equal(first?.[0]?.length, 2);
  const withoutRoutes = plans.map(({ interfaces }) =>
    interfaces.map((planned) => ({ ...planned, routes: [] })),
  );
  assert.deepEqual(withoutRoutes[0], withoutRoutes[1]);
  assert.ok(withoutRoutes[0]?.every(({ peers }) => peers[0]?.keepaliveSeconds === 25));
});

test('an interface that waits for its admission has a key and nothing else', () => {
  const { privateKey } = membership;
  const waiting = { privateKey, paths: [{ interfaceName: 'hns0', mtuBytes: 1420 }] };
  const [planned] = planMember([waiting]).interfaces;
  assert.deepEqual(planned, {
    name: 'hns0',
    privateKey: key(1),
    mtuBytes: 1420,
    addresses: [],
    peers: [],
    routes: [],
  });
});

test('a master whose name does not resolve is a peer without an endpoint', () => {
  const [planned] = planMember([{ ...membership, paths: [backupPath] }]).interfaces;
  assert.equal(planned?.peers.length, 1);
  assert.ok(planned?.peers[0] && !('endpoint' in planned.peers[0]));
});

test('a second subset of the same VPN gets the route of its own block only', () => {
  const [, planned] = planMember([membership, second('fd12:3456:789a:2::7')]).interfaces;
  assert.deepEqual(planned?.routes, [
    { destination: 'fd12:3456:789a:2::/64', source: 'fd12:3456:789a:2::7' },
  ]);
  assert.equal(planned?.peers[0]?.allowedIps.length, 3);
});

test('the first membership of another VPN gets all the routes of that VPN', () => {
  const prefixes = [parsePrefix('10.9.0.0/16')];
  const other = second('fd12:3456:789a:1::2', { vpnId: '0badcafe', prefixes });
  const [, planned] = planMember([membership, other]).interfaces;
  assert.deepEqual(planned?.routes, [{ destination: '10.9.0.0/16', source: '100.64.0.2' }]);
});

test('no two interfaces are given the same destination', () => {
  const plan = planMember([membership, second('fd12:3456:789a:9::3')]);
  const destinations = plan.interfaces.flatMap(({ routes }) => routes.map((r) => r.destination));
  assert.equal(new Set(destinations).size, destinations.length);
});
