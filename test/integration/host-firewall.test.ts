import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { interfaceName } from '../../src/host/interface-name.ts';
import type { HostState, InterfaceState, PeerState } from '../../src/model/host-state.ts';
import { parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import { HostProcess } from '../support/host-process.ts';
import {
  connectNamespaces,
  createNamespace,
  type NetworkNamespace,
} from '../support/network-namespace.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { generateKeys, generatePresharedKey } from '../support/wireguard-peer.ts';

/*
 * member ──members──► gateway ◄──backbone── other, and behind the gateway a network that is not the
 * VPN's. The gateway's own members are 100.64.1.0/24; `other` stands for a master that has all others.
 */

const vpnId = process.pid.toString(16).padStart(8, '0');
const presharedKey = generatePresharedKey();
const everything = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')];
const prefixes = [parsePrefix('100.64.0.0/16'), parsePrefix('fd00:1::/32')];
const sources = [parsePrefix('100.64.1.0/24'), parsePrefix('fd00:1:1::/48')];

const nodes = ['member', 'gateway', 'other'] as const;
type Node = (typeof nodes)[number];
const keys = { member: generateKeys(), gateway: generateKeys(), other: generateKeys() };
const backboneKeys = generateKeys();
const nameOf = (node: Node, pathClass: string): string =>
  interfaceName({ vpnId, node: `${node}-firewall`, pathClass });

function peer(changes: Pick<PeerState, 'publicKey'> & Partial<PeerState>): PeerState {
  return { presharedKey, allowedIps: everything, ...changes };
}

function tunnel(changes: Pick<InterfaceState, 'name' | 'privateKey'> & Partial<InterfaceState>) {
  return { mtuBytes: 1_420, addresses: [], peers: [], routes: [], ...changes };
}

const memberState: HostState = {
  interfaces: [
    tunnel({
      name: nameOf('member', 'acting'),
      privateKey: keys.member.privateKey,
      addresses: [parseAddress('100.64.1.5'), parseAddress('fd00:1:1::5')],
      peers: [peer({ publicKey: keys.gateway.publicKey, endpoint: '192.0.2.1:51820' })],
      routes: [...prefixes, parsePrefix('203.0.113.0/24')].map((destination) => ({ destination })),
    }),
  ],
};

const otherState: HostState = {
  interfaces: [
    tunnel({
      name: nameOf('other', 'backbone'),
      privateKey: keys.other.privateKey,
      listenPort: 51_820,
      addresses: [parseAddress('100.64.2.9'), parseAddress('fd00:1:2::9')],
      peers: [peer({ publicKey: backboneKeys.publicKey, endpoint: '198.51.100.1:51821' })],
      routes: prefixes.map((destination) => ({ destination })),
    }),
  ],
};

const gatewayState: HostState = {
  interfaces: [
    tunnel({
      name: nameOf('gateway', 'members'),
      privateKey: keys.gateway.privateKey,
      listenPort: 51_820,
      addresses: [parseAddress('100.64.1.1'), parseAddress('fd00:1:1::1')],
      peers: [peer({ publicKey: keys.member.publicKey })],
      routes: sources.map((destination) => ({ destination })),
    }),
    tunnel({
      name: nameOf('gateway', 'backbone'),
      privateKey: backboneKeys.privateKey,
      listenPort: 51_821,
      mtuBytes: 1_300,
      peers: [peer({ publicKey: keys.other.publicKey, endpoint: '198.51.100.2:51820' })],
      routes: prefixes.map((destination) => ({ destination })),
    }),
  ],
  gateway: {
    prefixes,
    members: [{ name: nameOf('gateway', 'members'), sources }],
    backbone: [{ name: nameOf('gateway', 'backbone'), refused: sources }],
  },
};

describe("a gateway's filter", () => {
  const stack = new AsyncDisposableStack();
  let spaces: Record<Node, NetworkNamespace>;
  let outside: NetworkNamespace;
  let hosts: Record<Node, HostProcess>;

  before(async () => {
    const { path: notesDirectory } = stack.use(await temporaryDirectory());
    const [member, gateway, other, foreign] = await Promise.all(
      [...nodes, 'foreign'].map(async (label) => stack.use(await createNamespace(label))),
    );
    assert.ok(member && gateway && other && foreign);
    spaces = { member, gateway, other };
    outside = foreign;
    await cable(gateway, '192.0.2.1/24', member, '192.0.2.2/24');
    await cable(gateway, '198.51.100.1/24', other, '198.51.100.2/24');
    await cable(gateway, '203.0.113.1/24', foreign, '203.0.113.2/24');
    await foreign.sh('ip route add default via 203.0.113.1');
    // As on a machine that forwards for other reasons.
    await gateway.sh('sysctl -q -w net.ipv4.ip_forward=1');
    const start = (node: Node): HostProcess =>
      stack.use(
        HostProcess.start({
          namespace: spaces[node].name,
          owner: `${vpnId}/${node}-firewall`,
          notesDirectory,
        }),
      );
    hosts = { member: start('member'), gateway: start('gateway'), other: start('other') };
    stack.defer(async () => {
      await Promise.all(Object.values(hosts).map((host) => host.destroy()));
    });
    await Promise.all([
      hosts.member.apply(memberState),
      hosts.gateway.apply(gatewayState),
      hosts.other.apply(otherState),
    ]);
    await until('the member reaches the other side', () => answers('member', '100.64.2.9'));
  });
  after(() => stack.disposeAsync());

  async function answers(from: Node, address: string, source?: string): Promise<boolean> {
    const option = source === undefined ? '' : `-I ${source} `;
    return spaces[from].sh(`ping -c 1 -W 1 ${option}${address}`).then(
      () => true,
      () => false,
    );
  }

  /** What the gateway dropped, and delivered to a node, while something was sent. */
  async function dropsDuring(send: () => Promise<unknown>) {
    const before = await hosts.gateway.observeDrops();
    await send();
    const now = await hosts.gateway.observeDrops();
    return {
      spoofed: now.spoofed - before.spoofed,
      outsideVpn: now.outside_vpn - before.outside_vpn,
      foreignInterface: now.foreign_interface - before.foreign_interface,
    };
  }

  async function borrow(node: Node, address: string): Promise<AsyncDisposable> {
    const length = address.includes(':') ? 128 : 32;
    await spaces[node].sh(`ip address add ${address}/${length} dev lo nodad`);
    return {
      [Symbol.asyncDispose]: async () => {
        await spaces[node].sh(`ip address del ${address}/${length} dev lo`);
      },
    };
  }

  it('lets members and the others reach each other, over IPv4 and IPv6', async () => {
    assert.ok(await answers('member', '100.64.2.9'));
    assert.ok(await answers('other', '100.64.1.5'));
    assert.ok(await answers('member', 'fd00:1:2::9'));
    assert.ok(await answers('other', 'fd00:1:1::5'));
  });

  it('drops what comes from a member with a source that is not its own', async () => {
    for (const [source, target] of [
      ['100.64.2.77', '100.64.2.9'],
      ['fd00:1:2::77', 'fd00:1:2::9'],
    ] as const) {
      await using _ = await borrow('member', source);
      const drops = await dropsDuring(async () =>
        assert.ok(!(await answers('member', target, source))),
      );
      assert.equal(drops.spoofed, 1, source);
    }
  });

  it("drops what comes over the backbone with a source of the gateway's own members", async () => {
    await using _ = await borrow('other', '100.64.1.99');
    const drops = await dropsDuring(async () => {
      assert.ok(!(await answers('other', '100.64.1.5', '100.64.1.99')));
      assert.ok(!(await answers('other', '100.64.1.1', '100.64.1.99')), 'the gateway itself');
    });
    assert.equal(drops.spoofed, 2);
  });

  it('drops what comes over the backbone with a source outside the VPN', async () => {
    await using _ = await borrow('other', '10.9.9.9');
    const drops = await dropsDuring(async () =>
      assert.ok(!(await answers('other', '100.64.1.5', '10.9.9.9'))),
    );
    assert.equal(drops.outsideVpn, 1);
  });

  it('drops what a member sends to a network that is not the VPN', async () => {
    const drops = await dropsDuring(async () =>
      assert.ok(!(await answers('member', '203.0.113.2'))),
    );
    assert.equal(drops.foreignInterface, 1);
  });

  it('drops what a network that is not the VPN sends to a member', async () => {
    const drops = await dropsDuring(() =>
      outside.sh('ping -c 1 -W 1 100.64.1.5').catch(() => undefined),
    );
    assert.equal(drops.foreignInterface, 1);
  });

  it('leaves alone what crosses the machine without touching our interfaces', async () => {
    await spaces.member.sh('ip route add 203.0.113.0/24 via 192.0.2.1 metric 1');
    try {
      assert.ok(await answers('member', '203.0.113.2'));
    } finally {
      await spaces.member.sh('ip route del 203.0.113.0/24 via 192.0.2.1 metric 1');
    }
  });

  it('lowers the segment size of a connection to what the next tunnel carries', async () => {
    for (const [address, family, headers] of [
      ['100.64.2.9', '-4', 40],
      ['fd00:1:2::9', '-6', 60],
    ] as const) {
      const server = spaces.other.sh(`timeout 20 iperf3 ${family} -s -1`);
      await until('the server listens', async () =>
        /5201/.test(await spaces.other.sh('ss -H -l -n -t sport = :5201')),
      );
      const result = JSON.parse(await spaces.member.sh(`iperf3 -J -n 100K -c ${address}`));
      await server;
      // What the other end announced, less the time stamps (RFC 7323 §3.2), bounds what was sent.
      assert.equal(result.start.tcp_mss_default, 1_300 - headers - 12);
    }
  });

  it('does not note what members say to those of other gateways', async () => {
    assert.ok(await answers('member', '100.64.2.9'));
    assert.ok(await answers('other', 'fd00:1:1::5'));
    assert.deepEqual(await hosts.gateway.conversations(), []);
  });

  it('keeps its counters when the rules change, and filters by the new rules', async () => {
    const before = await hosts.gateway.observeDrops();
    const gateway = gatewayState.gateway;
    assert.ok(gateway);
    const narrowed = { ...gateway, prefixes: [parsePrefix('100.64.1.0/24'), ...prefixes.slice(1)] };
    await hosts.gateway.apply({ ...gatewayState, gateway: narrowed });
    assert.deepEqual(await hosts.gateway.observeDrops(), before);
    assert.ok(!(await answers('member', '100.64.2.9')));
    await hosts.gateway.apply(gatewayState);
    assert.ok(await answers('member', '100.64.2.9'));
  });

  it('lets nothing cross a node that is no gateway', async () => {
    await hosts.gateway.apply({ interfaces: gatewayState.interfaces });
    const members = nameOf('gateway', 'members');
    const forwarding = await spaces.gateway.sh(`sysctl -n net.ipv4.conf.${members}.forwarding`);
    assert.equal(forwarding.trim(), '0');
    // As whoever sets net.ipv4.ip_forward does.
    await spaces.gateway.sh(`sysctl -q -w net.ipv4.conf.${members}.forwarding=1`);
    assert.ok(!(await answers('member', '100.64.2.9')));
    assert.ok(!(await answers('member', '203.0.113.2')));
    assert.ok(!(await answers('member', 'fd00:1:2::9')));
    assert.equal((await hosts.gateway.observeDrops()).not_gateway, 2);
    await hosts.gateway.apply(gatewayState);
    assert.ok(await answers('member', '100.64.2.9'));
  });
});

let cables = 0;

async function cable(
  one: NetworkNamespace,
  oneAddress: string,
  other: NetworkNamespace,
  otherAddress: string,
): Promise<void> {
  cables += 1;
  await connectNamespaces(
    { namespace: one, device: `a${cables}`, address: oneAddress },
    { namespace: other, device: `b${cables}`, address: otherAddress },
  );
}
