import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import {
  presharedKeySchema,
  wireguardPrivateKeySchema,
  wireguardPublicKeySchema,
} from '../model/wireguard-key.ts';
import {
  outerRoutes,
  planSealedInterface,
  type SealedFacts,
  type SealedOwner,
  type SealedPeerFacts,
  sealedForm,
  sealedMtuBytes,
} from './sealed-plan.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const presharedKey = presharedKeySchema.parse(key(3));
const prefixes = [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')];

const peer = (place: number, changes: Partial<SealedPeerFacts> = {}): SealedPeerFacts => ({
  ...{ publicKey: wireguardPublicKeySchema.parse(key(place)), presharedKey },
  ipv4: parseAddress(`100.64.0.${place}`),
  ipv6: parseAddress(`fd12:3456:789a:2::${place}`),
  ...{ port: 41_000, isKeptAlive: false, isUsed: true },
  ...changes,
});
const owner: SealedOwner = {
  privateKey: wireguardPrivateKeySchema.parse(key(1)),
  ipv4: parseAddress('100.64.0.2'),
  ipv6: parseAddress('fd12:3456:789a:1::2'),
  pathMtuBytes: 1_420,
  routes: prefixes.map((destination) => ({ destination })),
  routesIpv4: true,
};
const facts = (changes: Partial<SealedFacts> = {}): SealedFacts => ({
  ...{ interfaceName: 'hnsS', listenPort: 41_001, isRequired: false },
  ...{ peers: [peer(5)], routed: [parseAddress('fd12:3456:789a:2::5')] },
  nobody: { publicKey: wireguardPublicKeySchema.parse(key(9)), presharedKey },
  ...changes,
});
const plan = (changes: Partial<SealedFacts>, of: Partial<SealedOwner> = {}) =>
  planSealedInterface({ ...owner, ...of }, facts(changes), prefixes);

test('a peer is reached at its sealed address and may send as itself alone', () => {
  const { peers, ...planned } = plan({ peers: [peer(5, { isKeptAlive: true })] });
  assert.deepEqual(peers, [
    {
      ...{ publicKey: key(5), presharedKey, keepaliveSeconds: 25 },
      endpoint: '[fd12:3456:789a:2::8000:5]:41000',
      allowedIps: ['100.64.0.5/32', 'fd12:3456:789a:2::5/128'],
    },
  ]);
  assert.deepEqual(planned, {
    ...{ name: 'hnsS', privateKey: key(1), listenPort: 41_001, mtuBytes: 1_340 },
    addresses: ['100.64.0.2', 'fd12:3456:789a:1::2'],
    routes: [
      { destination: '100.64.0.5/32', source: '100.64.0.2' },
      { destination: 'fd12:3456:789a:2::5/128', source: 'fd12:3456:789a:1::2' },
    ],
  });
});

test('as long as masters may read, only those who have answered are sent to, and nobody else', () => {
  const { peers, routes } = plan({ peers: [peer(5), peer(6, { isUsed: false })] });
  assert.deepEqual(
    peers.map(({ publicKey }) => publicKey),
    [key(5), key(6)],
  );
  assert.deepEqual(
    routes.map(({ destination }) => destination),
    ['100.64.0.5/32', 'fd12:3456:789a:2::5/128'],
  );
});

test('when nothing may be read any more, all goes by the interface, and to nobody what is for no peer', () => {
  const { peers, routes } = plan({ isRequired: true, peers: [peer(5, { isUsed: false })] });
  assert.deepEqual(routes, owner.routes);
  const nobody = { publicKey: key(9), presharedKey, endpoint: '[::1]:9', allowedIps: prefixes };
  assert.deepEqual(peers.at(-1), nobody);
  assert.deepEqual(peers[0]?.allowedIps, ['100.64.0.5/32', 'fd12:3456:789a:2::5/128']);
});

test('a membership that routes no IPv4 sends none by its sealed tunnels', () => {
  const { routes, peers } = plan({}, { routesIpv4: false });
  assert.deepEqual(
    routes.map(({ destination }) => destination),
    ['fd12:3456:789a:2::5/128'],
  );
  assert.equal(peers[0]?.allowedIps.length, 2);
});

test('WireGuard’s own packets go around the interface, also to a peer that is about to come', () => {
  const routed = [parseAddress('fd12:3456:789a:2::5'), parseAddress('fd12:3456:789a:1::7')];
  assert.deepEqual(outerRoutes(owner.ipv6, facts({ routed })), [
    { destination: 'fd12:3456:789a:2::8000:5/128', source: 'fd12:3456:789a:1::8000:2' },
    { destination: 'fd12:3456:789a:1::8000:7/128', source: 'fd12:3456:789a:1::8000:2' },
  ]);
});

test('a packet has 80 bytes less room, and never less than IPv6 needs', () => {
  assert.deepEqual([1_420, 1_380, 1_360, 1_300].map(sealedMtuBytes), [1_340, 1_300, 1_280, 1_280]);
});

test('the filter knows sealed packets by the bit of their addresses, and gateways by their place', () => {
  assert.deepEqual(sealedForm, { bit: '::8000:0', gatewayInterfaceId: '::1' });
});
