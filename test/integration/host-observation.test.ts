import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import { interfaceName, ownerMark } from '../../src/host/interface-name.ts';
import type { HostState, InterfaceState } from '../../src/model/host-state.ts';
import { familyOf, hostPrefix, parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import { HostProcess } from '../support/host-process.ts';
import {
  connectNamespaces,
  createNamespace,
  type NetworkNamespace,
} from '../support/network-namespace.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { generateKeys, generatePresharedKey } from '../support/wireguard-peer.ts';

/* two members ──members──► gateway; the gateway forwards what they send to each other. */

const vpnId = process.pid.toString(16).padStart(8, '0');
const presharedKey = generatePresharedKey();
const keys = { one: generateKeys(), other: generateKeys(), gateway: generateKeys() };
const prefixes = [parsePrefix('100.64.0.0/16'), parsePrefix('fd00:1::/32')];
const addresses = {
  one: [parseAddress('100.64.1.5'), parseAddress('fd00:1:1::5')],
  other: [parseAddress('100.64.1.6'), parseAddress('fd00:1:1::6')],
  gateway: [parseAddress('100.64.1.1'), parseAddress('fd00:1:1::1')],
} as const;
const members = ['one', 'other'] as const;
type Node = keyof typeof keys;

const nameOf = (node: Node): string =>
  interfaceName({ vpnId, node: `${node}-observation`, pathClass: 'members' });
const ownerOf = (node: Node): string => `${vpnId}/${node}-observation`;
const { tableName } = ownerMark(ownerOf('gateway'));

function tunnel(node: Node, changes: Partial<InterfaceState>): InterfaceState {
  return {
    name: nameOf(node),
    privateKey: keys[node].privateKey,
    mtuBytes: 1_420,
    addresses: addresses[node],
    peers: [],
    routes: prefixes.map((destination) => ({ destination })),
    ...changes,
  };
}

function memberState(node: Node, endpoint: string): HostState {
  const { publicKey } = keys.gateway;
  return {
    interfaces: [
      tunnel(node, { peers: [{ publicKey, presharedKey, endpoint, allowedIps: prefixes }] }),
    ],
  };
}

const gatewayState = {
  interfaces: [
    tunnel('gateway', {
      listenPort: 51_820,
      peers: members.map((node) => ({
        publicKey: keys[node].publicKey,
        presharedKey,
        allowedIps: addresses[node].map(hostPrefix),
      })),
    }),
  ],
  gateway: { prefixes, members: [{ name: nameOf('gateway'), sources: prefixes }], backbone: [] },
} satisfies HostState;

/** In the order in which they are reported. */
const pairs = [4, 6].map((family) => {
  const [one, other] = members.map((node) =>
    addresses[node].find((address) => familyOf(address) === family),
  );
  return { one, other };
});

describe('what a gateway observes', () => {
  const stack = new AsyncDisposableStack();
  let spaces: Record<Node, NetworkNamespace>;
  let gateway: HostProcess;
  let startGateway: () => HostProcess;

  before(async () => {
    const { path: notesDirectory } = stack.use(await temporaryDirectory());
    const space = async (label: string) => stack.use(await createNamespace(label));
    spaces = { one: await space('one'), other: await space('other'), gateway: await space('gw') };
    const start = (node: Node): HostProcess =>
      stack.use(
        HostProcess.start({ namespace: spaces[node].name, owner: ownerOf(node), notesDirectory }),
      );
    startGateway = () => start('gateway');
    gateway = startGateway();
    await gateway.apply(gatewayState);
    for (const [index, node] of members.entries()) {
      await connectNamespaces(
        { namespace: spaces.gateway, device: node, address: `192.0.${index}.1/24` },
        { namespace: spaces[node], device: 'wire', address: `192.0.${index}.2/24` },
      );
      const host = start(node);
      stack.defer(() => host.destroy());
      await host.apply(memberState(node, `192.0.${index}.1:51820`));
      await until('the member reaches the gateway', () => answers(node, addresses.gateway[0]));
    }
  });
  after(async () => {
    // Not deferred: the process that is there at the end was started last, and would end first.
    await gateway.destroy();
    await stack.disposeAsync();
  });
  beforeEach(() => nft(...sets.map((set) => `flush set inet ${tableName} ${set}`)));

  const sets = ['conversations4', 'conversations6', 'begun4', 'begun6'] as const;

  async function nft(...lines: readonly string[]): Promise<void> {
    const input = `${lines.join('\n')}\n`;
    await spaces.gateway.runner.run('nft', ['-f', '-'], { input, timeoutMs: 30_000 });
  }

  /** Entries that do not expire while a test runs. */
  function note(set: (typeof sets)[number], entries: readonly string[]): Promise<void> {
    const list = entries.map((entry) => `${entry} timeout 1h`).join(', ');
    return nft(`add element inet ${tableName} ${set} { ${list} }`);
  }

  function answers(from: Node, address: string): Promise<boolean> {
    return spaces[from].sh(`ping -c 1 -W 5 ${address}`).then(
      () => true,
      () => false,
    );
  }

  /** The process that answers for the gateway's host. */
  async function findNft(): Promise<number | undefined> {
    const pids = (await spaces.gateway.sh(`ip netns pids ${spaces.gateway.name}`)).split('\n');
    for (const pid of pids.filter((line) => line !== '')) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (line === 'nft\0-j\0-i\0') return Number(pid);
    }
    return undefined;
  }

  it('sees who talks over IPv4 and IPv6, each pair once, and forgets it after five seconds', async () => {
    const begunAtMs = performance.now();
    for (const address of addresses.other) assert.ok(await answers('one', address));
    assert.deepEqual(await gateway.conversations(), pairs);
    await until('both are forgotten', async () => (await gateway.conversations()).length === 0);
    assert.ok(performance.now() - begunAtMs > 4_900);
  });

  it('tells apart who has just begun, once, until there was silence for five seconds', async () => {
    assert.ok(await answers('one', '100.64.1.6'));
    assert.deepEqual(await gateway.begunConversations(), pairs.slice(0, 1));
    const isOver = async () => (await gateway.begunConversations()).length === 0;
    await until('it is nothing new any more', isOver);
    assert.ok(await answers('one', '100.64.1.6'));
    assert.deepEqual(await gateway.begunConversations(), []);
    assert.deepEqual(await gateway.conversations(), pairs.slice(0, 1));
    await nft(`flush set inet ${tableName} conversations4`);
    assert.ok(await answers('one', '100.64.1.6'));
    assert.deepEqual(await gateway.begunConversations(), pairs.slice(0, 1));
  });

  it('does not count what members and the gateway itself say to each other', async () => {
    for (const address of addresses.gateway) assert.ok(await answers('one', address));
    for (const address of addresses.one) assert.ok(await answers('gateway', address));
    assert.deepEqual(await gateway.conversations(), []);
  });

  it('remembers when the rules are replaced', async () => {
    await note('conversations4', ['100.64.1.6 . 100.64.1.5']);
    await note('conversations6', ['fd00:1:1::5 . fd00:1:1::6']);
    const narrowed = { ...gatewayState.gateway, prefixes: prefixes.slice(0, 1) };
    await gateway.apply({ ...gatewayState, gateway: narrowed });
    assert.ok(!(await answers('one', 'fd00:1:1::6')), 'by the new rules');
    assert.deepEqual(await gateway.conversations(), pairs);
    await gateway.apply(gatewayState);
    assert.deepEqual(await gateway.conversations(), pairs);
  });

  it('drops nothing when there are more pairs than it can remember', async () => {
    const full = 65_535;
    const entries = Array.from({ length: full }, (_, n) => `10.0.${n >> 8}.${n & 255} . 10.9.9.9`);
    for (let start = 0; start < full; start += 5_000) {
      await note('conversations4', entries.slice(start, start + 5_000));
    }
    await assert.rejects(note('conversations4', ['10.8.8.8 . 10.9.9.9']), /Too many open files/);
    assert.ok(await answers('one', '100.64.1.6'));
    assert.ok(await answers('other', '100.64.1.5'));
    const found = await gateway.conversations();
    assert.equal(found.length, full);
    assert.ok(!found.some(({ one }) => one === '100.64.1.5'));
  });

  it('asks one nft that stays, and another one when that dies', async () => {
    await gateway.conversations();
    const first = await findNft();
    assert.ok(first);
    await gateway.conversations();
    assert.equal(await findNft(), first);
    process.kill(first, 'SIGKILL');
    await note('conversations4', ['100.64.1.6 . 100.64.1.5']);
    // The one that comes just when it dies may fail.
    await gateway.conversations().catch(() => {});
    assert.deepEqual(await gateway.conversations(), pairs.slice(0, 1));
    assert.notEqual(await findNft(), first);
  });

  it('sees nobody without a table or as no gateway, and goes on when there is one again', async () => {
    await nft(`delete table inet ${tableName}`);
    assert.deepEqual(await gateway.conversations(), []);
    await gateway.apply({ interfaces: gatewayState.interfaces });
    assert.deepEqual(await gateway.conversations(), []);
    await gateway.apply(gatewayState);
    assert.ok(await answers('one', '100.64.1.6'));
    assert.deepEqual(await gateway.conversations(), pairs.slice(0, 1));
  });

  it('leaves no nft when its process is killed, and begins anew with the table of another version', async () => {
    await gateway.conversations();
    const pid = await findNft();
    assert.ok(pid);
    await gateway.kill();
    await until('nft has ended', async () => (await findNft()) === undefined);
    const set = 'set conversations4 { type inet_service; }';
    await nft(`delete table inet ${tableName}`, `table inet ${tableName} {`, set, '}');
    gateway = startGateway();
    await gateway.apply(gatewayState);
    assert.ok(await answers('one', '100.64.1.6'));
    assert.deepEqual(await gateway.conversations(), pairs.slice(0, 1));
  });

  it('tells the peers of one interface, and of none that is not wanted', async () => {
    const name = nameOf('gateway');
    const peers = await gateway.observeInterface(name);
    assert.deepEqual(
      peers.map(({ publicKey }) => publicKey).sort(),
      members.map((node) => keys[node].publicKey).sort(),
    );
    for (const { interfaceName: found, endpoint, latestHandshakeMs, ...bytes } of peers) {
      assert.equal(found, name);
      assert.match(endpoint ?? '', /^192\.0\.[01]\.2:\d+$/);
      assert.ok(Math.abs(Date.now() - (latestHandshakeMs ?? 0)) < 180_000);
      assert.ok(bytes.receivedBytes > 0 && bytes.sentBytes > 0);
    }
    assert.deepEqual(await gateway.observeInterface('hnsnobody'), []);
    await spaces.gateway.sh(`ip link delete ${name}`);
    await assert.rejects(gateway.observeInterface(name), { code: 'command-failed' });
    await gateway.observe();
    assert.equal((await gateway.observeInterface(name)).length, 2);
  });
});
