import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import {
  type PresharedKey,
  presharedKeySchema,
  wireguardPrivateKeySchema,
  wireguardPublicKeySchema,
} from '../model/wireguard-key.ts';
import { type AdmissionFacts, type MembershipFacts, planMember } from './member-plan.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const presharedKey: PresharedKey = presharedKeySchema.parse(key(3));
const masterKey = wireguardPublicKeySchema.parse(key(2));

const admission: AdmissionFacts = {
  vpnId: '00c0ffee',
  prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
  ipv4: parseAddress('100.64.0.2'),
  ipv6: parseAddress('fd12:3456:789a:1::2'),
  acting: { publicKey: masterKey, presharedKey, endpoint: '192.0.2.1:51820' },
};
const membership: MembershipFacts = {
  interfaceName: 'hns0',
  privateKey: wireguardPrivateKeySchema.parse(key(1)),
  mtuBytes: 1420,
  admission,
};

test('a member reaches the whole VPN through its acting master', () => {
  assert.deepEqual(planMember([membership]), {
    interfaces: [
      {
        name: 'hns0',
        privateKey: key(1),
        mtuBytes: 1420,
        addresses: ['100.64.0.2', 'fd12:3456:789a:1::2'],
        peers: [
          {
            publicKey: masterKey,
            presharedKey,
            endpoint: '192.0.2.1:51820',
            allowedIps: ['fd12:3456:789a::/48', '100.64.0.0/10'],
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

test('an interface that waits for its admission has a key and nothing else', () => {
  const { admission: _, ...waiting } = membership;
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
  const acting = { publicKey: masterKey, presharedKey };
  const [planned] = planMember([{ ...membership, admission: { ...admission, acting } }]).interfaces;
  assert.equal(planned?.peers.length, 1);
  assert.ok(planned?.peers[0] && !('endpoint' in planned.peers[0]));
});

test('a second subset of the same VPN gets the route of its own block only', () => {
  const second: MembershipFacts = {
    ...membership,
    interfaceName: 'hns1',
    admission: {
      ...admission,
      ipv4: parseAddress('100.64.8.7'),
      ipv6: parseAddress('fd12:3456:789a:2::7'),
    },
  };
  const [, planned] = planMember([membership, second]).interfaces;
  assert.deepEqual(planned?.routes, [
    { destination: 'fd12:3456:789a:2::/64', source: 'fd12:3456:789a:2::7' },
  ]);
  assert.deepEqual(planned?.peers[0]?.allowedIps, admission.prefixes);
});

test('the first membership of another VPN gets all the routes of that VPN', () => {
  const other: MembershipFacts = {
    ...membership,
    interfaceName: 'hns1',
    admission: { ...admission, vpnId: '0badcafe', prefixes: [parsePrefix('10.9.0.0/16')] },
  };
  const [, planned] = planMember([membership, other]).interfaces;
  assert.deepEqual(planned?.routes, [{ destination: '10.9.0.0/16', source: '100.64.0.2' }]);
});

test('no two interfaces are given the same destination', () => {
  const second = { ...membership, interfaceName: 'hns1' };
  const subset = { ...admission, ipv6: parseAddress('fd12:3456:789a:9::3') };
  const plan = planMember([membership, { ...second, admission: subset }]);
  const destinations = plan.interfaces.flatMap(({ routes }) => routes.map((r) => r.destination));
  assert.equal(new Set(destinations).size, destinations.length);
});
