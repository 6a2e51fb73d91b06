import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import { PacketStream } from '../../lab/packet-stream.ts';
import { interfaceName } from '../../src/host/interface-name.ts';
import type { OpenPair, RelayKind } from '../../src/host/relay/relay.ts';
import { formatSocketAddress } from '../../src/model/endpoint.ts';
import { hostPrefix, parseAddress } from '../../src/model/prefix.ts';
import { HostProcess } from '../support/host-process.ts';
import { RelayProcess } from '../support/relay-process.ts';
import { until } from '../support/until.ts';
import { generateKeys, generatePresharedKey } from '../support/wireguard-peer.ts';

/* A WireGuard tunnel between two hosts through a relay; over IPv4 both are behind symmetric NATs. */

const vpnId = process.pid.toString(16).padStart(8, '0');
const ports = { first: 61_000, count: 8 };
const presharedKey = generatePresharedKey();
const nodes = ['one', 'other'] as const;
type Node = (typeof nodes)[number];
const keys = { one: generateKeys(), other: generateKeys() };
const inside = { one: parseAddress('100.64.1.5'), other: parseAddress('100.64.1.6') };
/** Longer than the ends wait before they keep alive what they do not use. */
const healsWithinMs = 3_000;

const toPorts = `udp dport ${ports.first}-${ports.first + ports.count - 1}`;
const wireguard = '@th,64,32 { 0x01000000, 0x02000000, 0x03000000, 0x04000000 }';
/** Counts what comes to the relay: WireGuard's messages to its ports, and all else but ICMPv6. */
const watch = `table inet watch {
  counter wireguard {}
  counter other {}
  chain arriving {
    type filter hook prerouting priority -500
    iifname "eth0" ${toPorts} ${wireguard} counter name wireguard accept
    iifname "eth0" meta l4proto { icmp, tcp, udp } counter name other
  }
}
`;

const stack = new AsyncDisposableStack();
let lab: Lab;
let hosts: Record<Node, HostProcess>;
before(async () => {
  const home = { nat: 'symmetric', ipv6: true } as const;
  const sites = [
    { name: 'hub', hosts: ['relay'] },
    { name: 'one-net', ...home, hosts: ['one'] },
    { name: 'other-net', ...home, hosts: ['other'] },
  ];
  lab = stack.use(await createLab({ topology: { sites } }));
  const start = (node: Node): HostProcess =>
    stack.use(
      HostProcess.start({
        namespace: lab.node(node).namespace,
        owner: `${vpnId}/${node}-relayed`,
        notesDirectory: lab.directory,
      }),
    );
  hosts = { one: start('one'), other: start('other') };
});
after(async () => {
  await Promise.all(nodes.map((node) => hosts[node].destroy()));
  await stack.disposeAsync();
});

async function configure(node: Node, remote: Node, endpoint: string): Promise<void> {
  const peer = {
    ...{ publicKey: keys[remote].publicKey, presharedKey, endpoint, keepaliveSeconds: 1 },
    allowedIps: [hostPrefix(inside[remote])],
  };
  const name = interfaceName({ vpnId, node: `${node}-relayed`, pathClass: 'direct' });
  const { privateKey } = keys[node];
  await hosts[node].apply({
    interfaces: [
      {
        ...{ name, privateKey, mtuBytes: 1_420, addresses: [inside[node]], peers: [peer] },
        routes: [{ destination: hostPrefix(inside[remote]) }],
      },
    ],
  });
}

const reaches = async (): Promise<boolean> =>
  (await lab.node('one').ping(inside.other)).received > 0;
const startStream = (): Promise<PacketStream> =>
  PacketStream.start(lab.node('one'), { node: lab.node('other'), address: inside.other });

async function countOf(counter: 'wireguard' | 'other'): Promise<number> {
  const { stdout } = await lab
    .node('relay')
    .run('nft', ['list', 'counter', 'inet', 'watch', counter]);
  return Number(/packets (\d+)/.exec(stdout)?.[1]);
}

for (const kind of ['kernel', 'user-space'] satisfies RelayKind[]) {
  for (const family of ['ipv4', 'ipv6'] as const) {
    describe(`a tunnel over ${family} through a relay in ${kind}`, () => {
      const outside = family === 'ipv4' ? ['one-net', 'other-net'] : nodes;
      let relay: RelayProcess;
      let pair: OpenPair;

      before(async () => {
        const relayNode = lab.node('relay');
        await relayNode.run('nft', ['-f', '-'], { input: watch });
        const owner = `${vpnId}/relayed`;
        relay = RelayProcess.start(relayNode.namespace, { owner, ports, kind });
        const [first, second] = outside.map((name) => ({
          address: parseAddress(lab.node(name).address(family)),
        }));
        assert.ok(first && second);
        pair = await relay.open({ id: 'pair', first, second });
        const own = relayNode.address(family);
        await configure('one', 'other', formatSocketAddress(own, pair.firstPort));
        await configure('other', 'one', formatSocketAddress(own, pair.secondPort));
        await until('the tunnel comes up', reaches);
      });
      after(async () => {
        await Promise.all(nodes.map((node) => hosts[node].destroy()));
        await relay[Symbol.asyncDispose]();
        await lab.node('relay').run('nft', ['delete', 'table', 'inet', 'watch']);
      });

      it('loses nothing, and shows the relay nothing but messages of WireGuard', async () => {
        assert.equal(pair.kind, kind);
        const stream = await startStream();
        await delay(2_000);
        const { lost, sentAtMs } = await stream.stop();
        assert.deepEqual(lost, []);
        assert.ok((await countOf('wireguard')) > 2 * sentAtMs.length);
        assert.equal(await countOf('other'), 0);
        const traffic = (await relay.readTraffic()).get('pair');
        assert.ok(traffic && traffic.packets > sentAtMs.length && traffic.bytes > 100_000);
      });

      if (family === 'ipv4') {
        it('goes on when a NAT gives either end another port', async () => {
          const stream = await startStream();
          for (const nat of outside) {
            await lab.node(nat).forgetMappings();
            await delay(healsWithinMs);
          }
          const { longestGap } = await stream.stop();
          assert.ok(longestGap.lengthMs < healsWithinMs, `${longestGap.lengthMs} ms`);
          assert.ok(await reaches());
        });
      }

      it('ends when the pair is closed', async () => {
        assert.ok(await reaches());
        await relay.close('pair');
        assert.ok(!(await reaches()));
        assert.deepEqual([...(await relay.readTraffic())], []);
      });
    });
  }
}
