import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerState } from '../model/host-state.ts';
import { parseMasterName, parseSubsetName } from '../model/names.ts';
import { hostPrefix, parseAddress, parsePrefix, prefixesOverlap } from '../model/prefix.ts';
import type { MasterRecord, SubsetRecord, VpnRecord } from '../model/records/directory.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';
import { backboneLinkLocal, subsetIpv6Block } from './addressing.ts';
import { planBlockRoutes } from './block-routes.ts';
import {
  backbonePort,
  blocksOf,
  type GatewayFacts,
  planGateway,
  rendezvousPort,
} from './gateway-plan.ts';

const base64 = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
const vpn = {
  ipv4: parsePrefix('100.64.0.0/10'),
  ipv6: parsePrefix('fd12:3456:789a::/48'),
} as VpnRecord;

const masterNames = ['elbe', 'spree', 'isar'].map(parseMasterName);
const masters = masterNames.map(
  (name, at) =>
    ({
      name,
      index: at + 1,
      wireguard: { host: `192.0.2.${at + 1}`, membersPort: 51_820, backboneBasePort: 52_000 },
    }) as MasterRecord,
);
const [self, ...others] = masters as [MasterRecord, ...MasterRecord[]];

function subset(at: number, acting: number): SubsetRecord {
  return {
    version: 1,
    name: parseSubsetName(`subset-${at}`),
    index: at + 1,
    ipv6Block: subsetIpv6Block(vpn.ipv6, at + 1),
    ipv4Blocks: [parsePrefix(`100.64.${at}.0/24`), parsePrefix(`100.65.${at}.0/24`)],
    acting: masterNames[acting] ?? self.name,
    backups: [],
    createdAtMs: 0,
  };
}

function facts(subsets: readonly SubsetRecord[]): GatewayFacts {
  const own = subsets.filter(({ acting }) => acting === self.name);
  const served = new Set(
    subsets
      .filter(({ acting, backups }) => acting === self.name || backups.includes(self.name))
      .map(({ name }) => name),
  );
  return {
    vpn,
    self,
    keys: {
      members: base64(1) as WireguardPrivateKey,
      backbone: base64(2) as WireguardPrivateKey,
    },
    interfaceNames: {
      members: 'hnsmembers',
      rendezvous: 'hnsrendezvous',
      backbone: (name) => `hns${name}`,
    },
    subsets,
    acting: new Set(own.map(({ name }) => name)),
    served,
    unread: new Set(),
    routes: planBlockRoutes({
      self: self.name,
      subsets: subsets.map((record) => ({ record, acting: record.acting })),
      drained: new Set(),
      served,
      isAlive: () => true,
      lingering: new Set(),
      strays: [],
    }),
    rendezvousPeers: [],
    memberPeers: own.map(({ ipv4Blocks: [block] }, at) => ({
      publicKey: base64(10 + at) as WireguardPublicKey,
      presharedKey: base64(9) as PresharedKey,
      allowedIps: [parsePrefix(`${block?.replace(/\.0\/24$/, '.2')}/32`)],
    })),
    onlySealed: false,
    notesDistant: false,
    membersMtuBytes: 1_420,
    neighbours: others.map((record) => ({
      record,
      address: parseAddress(record.wireguard.host),
      publicKey: base64(20 + record.index) as WireguardPublicKey,
      presharedKey: base64(8) as PresharedKey,
      mtuBytes: 1_400,
    })),
  };
}

const directories = fc
  .array(fc.nat(2), { maxLength: 8 })
  .map((actings) => actings.map((acting, at) => subset(at, acting)));

test('every route that is given is on one interface, the one that it leads by', () => {
  fc.assert(
    fc.property(directories, (subsets) => {
      const given = facts(subsets);
      const { interfaces } = planGateway(given);
      for (const { destination: wanted, via } of given.routes) {
        const on = interfaces
          .filter(({ routes }) => routes.some(({ destination }) => destination === wanted))
          .map(({ name }) => name);
        assert.deepEqual(on, [`hns${via}`], wanted);
      }
    }),
  );
});

test('allowed IPs are disjoint among the peers of an interface', () => {
  fc.assert(
    fc.property(directories, (subsets) => {
      for (const { peers } of planGateway(facts(subsets)).interfaces) {
        const all = peers.flatMap(({ allowedIps }) => allowedIps);
        for (const [at, one] of all.entries())
          for (const other of all.slice(at + 1)) assert.ok(!prefixesOverlap(one, other));
      }
    }),
  );
});

test('members of other masters appear nowhere; another master is one peer with the whole VPN', () => {
  const subsets = [subset(0, 0), subset(1, 1)];
  const given = facts(subsets);
  const { interfaces, gateway } = planGateway(given);
  assert.deepEqual(interfaces[0]?.peers, given.memberPeers);
  for (const { peers } of interfaces.slice(1, -1)) {
    assert.equal(peers.length, 1);
  }
  assert.deepEqual(
    interfaces.slice(1, -1).map(({ peers: [peer] }) => peer?.allowedIps),
    others.map(({ index }) => [vpn.ipv4, vpn.ipv6, hostPrefix(backboneLinkLocal(index))]),
  );
  assert.deepEqual(gateway?.members, [{ name: 'hnsmembers', sources: blocksOf(subset(0, 0)) }]);
  assert.deepEqual(gateway?.backbone, [
    { name: 'hnsspree', refused: blocksOf(subset(0, 0)) },
    { name: 'hnsisar', refused: blocksOf(subset(0, 0)) },
  ]);
});

test('where a roll is not read yet, the members of that subset stay as they were found', () => {
  const [read, unread] = [subset(0, 0), subset(1, 0)];
  const given = { ...facts([read, unread]), unread: new Set([unread.name]) };
  const [members] = planGateway(given).interfaces;
  assert.deepEqual(members?.unknownWithin, blocksOf(unread));
  const [known] = planGateway(facts([read, unread])).interfaces;
  assert.equal(known?.unknownWithin, undefined);
});

test('the rendezvous carries nothing: it has a port, peers without addresses, and nothing else', () => {
  const guest: PeerState = {
    publicKey: base64(20) as WireguardPublicKey,
    presharedKey: base64(21) as PresharedKey,
    allowedIps: [],
  };
  const { interfaces } = planGateway({ ...facts([subset(0, 0)]), rendezvousPeers: [guest] });
  const { name, listenPort, addresses, peers, routes } = interfaces.at(-1) ?? assert.fail();
  assert.deepEqual([name, listenPort], ['hnsrendezvous', rendezvousPort(self)]);
  assert.deepEqual([addresses, peers, routes], [[], [guest], []]);
  const ports = others.map((other) => backbonePort(self, other));
  assert.ok(!ports.includes(rendezvousPort(self)));
});

test('only routes move when a subset changes hands, never allowed IPs', () => {
  const peersOf = (subsets: readonly SubsetRecord[]) =>
    planGateway(facts(subsets))
      .interfaces.slice(1, -1)
      .map(({ peers }) => peers);
  assert.deepEqual(peersOf([subset(0, 0), subset(1, 1)]), peersOf([subset(0, 0), subset(1, 2)]));
});

test('a backup takes sources of a subset from the masters that serve it, and from no other', () => {
  const backedUp = { ...subset(0, 1), backups: [self.name] };
  const { gateway } = planGateway(facts([backedUp]));
  assert.deepEqual(gateway?.members, [{ name: 'hnsmembers', sources: blocksOf(backedUp) }]);
  assert.deepEqual(gateway?.backbone, [
    { name: 'hnsspree', refused: [] },
    { name: 'hnsisar', refused: blocksOf(backedUp) },
  ]);
});

test("the addresses of a subset's gateway are with the master that acts for it, on all interfaces but the rendezvous", () => {
  const backedUp = { ...subset(0, 1), backups: [self.name] };
  const backup = planGateway(facts([backedUp, subset(1, 0)]));
  const own = ['100.64.1.1', 'fd12:3456:789a:2::1', '192.0.0.8'].map(parseAddress);
  for (const { addresses } of backup.interfaces.slice(0, -1)) assert.deepEqual(addresses, own);
  const acting = planGateway({ ...facts([backedUp]), acting: new Set([backedUp.name]) });
  const taken = ['100.64.0.1', 'fd12:3456:789a:1::1', '192.0.0.8'].map(parseAddress);
  for (const { addresses } of acting.interfaces.slice(0, -1)) assert.deepEqual(addresses, taken);
});

test('an interface that carries packets has an IPv4 address at any time, which is no source of what the master sends', () => {
  const { interfaces } = planGateway({ ...facts([subset(0, 1)]), acting: new Set() });
  for (const { addresses, routes } of interfaces.slice(0, -1)) {
    assert.deepEqual(addresses, ['192.0.0.8']);
    for (const { source } of routes) assert.equal(source, undefined);
  }
});

test('each of two masters expects the other on a port that no third one uses', () => {
  const ports = others.map((other) => backbonePort(self, other));
  assert.equal(new Set(ports).size, ports.length);
  const { interfaces } = planGateway(facts([]));
  assert.deepEqual(
    interfaces.slice(1, -1).map(({ listenPort }) => listenPort),
    ports,
  );
  for (const [at, other] of others.entries()) {
    const endpoint = interfaces[at + 1]?.peers[0]?.endpoint;
    assert.equal(endpoint, `${other.wireguard.host}:${backbonePort(other, self)}`);
  }
});

test('an IPv6 endpoint is written in brackets', () => {
  const given = facts([]);
  const neighbours = given.neighbours.map((one) => ({
    ...one,
    address: parseAddress('2001:db8::1'),
  }));
  const [, backbone] = planGateway({ ...given, neighbours }).interfaces;
  assert.match(backbone?.peers[0]?.endpoint ?? '', /^\[2001:db8::1\]:\d+$/);
});
