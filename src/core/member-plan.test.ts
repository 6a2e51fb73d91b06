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
import type { SealedFacts } from './sealed-plan.ts';

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

const sourcesOf = (memberships: readonly MembershipFacts[]) =>
  planMember(memberships).sources?.map(({ addresses, routes }) => [
    addresses.join(' '),
    routes.map(({ destination, interfaceName }) => `${destination} ${interfaceName}`),
  ]);

test('what is sent from an address leaves by its membership, as if there were no other', () => {
  const other = second('fd12:3456:789a:2::7', { ipv4: parseAddress('100.64.8.7') });
  assert.deepEqual(sourcesOf([membership, other]), [
    ['100.64.0.2 fd12:3456:789a:1::2', ['fd12:3456:789a::/48 hns0', '100.64.0.0/10 hns0']],
    ['100.64.8.7 fd12:3456:789a:2::7', ['fd12:3456:789a::/48 hns8', '100.64.0.0/10 hns8']],
  ]);
});

test('over a membership that is leaving nothing new begins, and what runs over it goes on', () => {
  const staying = second('fd12:3456:789a:2::7', { ipv4: parseAddress('100.64.8.7') });
  const peer = {
    ...{ publicKey: masterKey, presharedKey, isKeptAlive: true, isRouted: true, installation: 1 },
    member: { ipv4: parseAddress('100.64.0.5'), ipv6: parseAddress('fd12:3456:789a:1::5') },
  };
  const direct = { interfaceName: 'hnsD', listenPort: 40_001, peers: [peer] };
  const leaving = { ...membership, direct, isLeaving: true };
  const plan = planMember([staying, leaving]);
  const routed = plan.interfaces.filter(({ routes }) => routes.length > 0);
  assert.deepEqual(
    routed.map(({ name }) => name),
    ['hns8'],
  );
  const [, [, routes] = []] = sourcesOf([staying, leaving]) ?? [];
  assert.deepEqual(routes?.slice(-2), ['100.64.0.5/32 hnsD', 'fd12:3456:789a:1::5/128 hnsD']);
  const alone = planMember([leaving]).interfaces;
  assert.equal(alone[0]?.routes.length, 2, 'one that is alone carries the VPN to its end');
});

test('who is once in each VPN needs no routes by source, nor who has not been admitted again', () => {
  const elsewhere = second('fd99:3456:789a:1::2', { vpnId: '0badcafe' });
  const { privateKey } = membership;
  const waiting = { privateKey, paths: [{ interfaceName: 'hns9', mtuBytes: 1420 }] };
  assert.equal(sourcesOf([membership, elsewhere, waiting]), undefined);
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

const peerKey = wireguardPublicKeySchema.parse(key(5));
const peerIpv6 = parseAddress('fd12:3456:789a:2::5');
const peerIpv4 = parseAddress('100.64.8.5');
const sealedFacts = (changes: Partial<SealedFacts> = {}): SealedFacts => ({
  ...{ interfaceName: 'hnsS', listenPort: 41_001, isRequired: false, routed: [peerIpv6] },
  peers: [
    {
      ...{ publicKey: peerKey, presharedKey, ipv4: peerIpv4, ipv6: peerIpv6, port: 41_000 },
      ...{ isKeptAlive: false, isUsed: true },
    },
  ],
  nobody: { publicKey: wireguardPublicKeySchema.parse(key(9)), presharedKey },
  ...changes,
});
const sealing = (changes: Partial<SealedFacts> = {}): MembershipFacts => ({
  ...membership,
  paths: [path, backupPath],
  sealed: sealedFacts(changes),
});
const destinationsOf = (memberships: readonly MembershipFacts[]) =>
  Object.fromEntries(
    planMember(memberships).interfaces.map(({ name, routes }) => [
      name,
      routes.map(({ destination }) => destination),
    ]),
  );
const outer = 'fd12:3456:789a:2::8000:5/128';
const ofPeer = ['100.64.8.5/32', 'fd12:3456:789a:2::5/128'];

test('while a VPN goes over to sealing, the VPN goes by the master and a proven peer by its tunnel', () => {
  assert.deepEqual(destinationsOf([sealing()]), {
    ...{ hns0: [...admission.prefixes, outer], hns1: [], hnsS: ofPeer },
  });
  const { interfaces, sealing: filtered } = planMember([sealing()]);
  for (const { addresses } of interfaces.slice(0, 2)) {
    assert.deepEqual(addresses.at(-1), 'fd12:3456:789a:1::8000:2');
  }
  assert.deepEqual(filtered, [
    {
      ...{ sealed: 'hnsS', open: ['hns0', 'hns1'], isRequired: false },
      ...{ bit: '::8000:0', gatewayInterfaceId: '::1' },
    },
  ]);
});

test('where all is sealed, only the gateway itself and sealed packets go to the master in use', () => {
  const required = sealing({ isRequired: true });
  assert.deepEqual(destinationsOf([required]), {
    ...{ hns0: ['fd12:3456:789a:1::1/128', outer], hns1: [], hnsS: admission.prefixes },
  });
  const moved = { ...required, admission: { ...admission, using: 'hns1' } };
  assert.deepEqual(destinationsOf([moved]), {
    ...{ hns0: [], hns1: ['fd12:3456:789a:1::1/128', outer], hnsS: admission.prefixes },
  });
});

test('sealed tunnels fit in the narrowest tunnel to a master, and so do direct paths beside them', () => {
  const direct = { interfaceName: 'hnsD', listenPort: 40_001, peers: [] };
  const widths = planMember([{ ...sealing(), direct }]).interfaces.map((one) => one.mtuBytes);
  assert.deepEqual(widths, [1_420, 1_400, 1_320, 1_320]);
});

test('a peer that is reached directly is not sent to by its sealed tunnel', () => {
  const peer = {
    ...{ publicKey: peerKey, presharedKey, member: { ipv4: peerIpv4, ipv6: peerIpv6 } },
    ...{ isKeptAlive: true, isRouted: true, installation: 1 },
  };
  const direct = { interfaceName: 'hnsD', listenPort: 40_001, peers: [peer] };
  const { hnsD, hnsS } = destinationsOf([{ ...sealing(), direct }]);
  assert.deepEqual([hnsD, hnsS], [ofPeer, []]);
});

test('a peer of two memberships is sent to by the first', () => {
  const other = {
    ...second('fd12:3456:789a:3::7'),
    sealed: sealedFacts({ interfaceName: 'hnsT', listenPort: 41_002 }),
  };
  const { hnsS, hnsT } = destinationsOf([sealing(), other]);
  assert.deepEqual([hnsS, hnsT], [ofPeer, []]);
  assert.equal(planMember([sealing(), other]).sealing?.length, 2);
  const [, [addresses, routes] = []] = sourcesOf([sealing(), other]) ?? [];
  assert.match(String(addresses), /fd12:3456:789a:3::8000:7/, 'also the address of sealed packets');
  assert.ok(routes?.includes(`${outer} hns8`) && routes.includes(`${ofPeer[0]} hnsT`));
});
