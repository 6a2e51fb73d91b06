import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { interfaceName } from '../../src/host/interface-name.ts';
import { InterfaceNotes } from '../../src/host/interface-notes.ts';
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

const vpnId = process.pid.toString(16).padStart(8, '0');

/** Two machines on one cable, each with one interface towards the other. */
interface Bed {
  readonly left: NetworkNamespace;
  readonly right: NetworkNamespace;
  readonly notes: string;
  start(side: 'left' | 'right'): HostProcess;
}

const keys = { left: generateKeys(), right: generateKeys() };
const addresses = { left: '100.64.0.1', right: '100.64.0.2' };
const names = {
  left: interfaceName({ vpnId, node: 'left', pathClass: 'acting' }),
  right: interfaceName({ vpnId, node: 'right', pathClass: 'acting' }),
};
const presharedKey = generatePresharedKey();

function peerOf(side: 'left' | 'right', changes: Partial<PeerState> = {}): PeerState {
  return {
    publicKey: keys[side].publicKey,
    presharedKey,
    endpoint: side === 'left' ? '192.0.2.1:51820' : '192.0.2.2:51820',
    allowedIps: [parsePrefix(`${addresses[side]}/32`)],
    ...changes,
  };
}

function interfaceOf(
  side: 'left' | 'right',
  changes: Partial<InterfaceState> = {},
): InterfaceState {
  return {
    name: names[side],
    privateKey: keys[side].privateKey,
    listenPort: 51_820,
    mtuBytes: 1_420,
    addresses: [parseAddress(addresses[side])],
    peers: [peerOf(side === 'left' ? 'right' : 'left')],
    routes: [{ destination: parsePrefix('100.64.0.0/24'), source: parseAddress(addresses[side]) }],
    ...changes,
  };
}

function stateOf(side: 'left' | 'right', changes: Partial<InterfaceState> = {}): HostState {
  return { interfaces: [interfaceOf(side, changes)] };
}

describe('a host', () => {
  let bed: Bed;
  const stack = new AsyncDisposableStack();

  before(async () => {
    const left = stack.use(await createNamespace('left'));
    const right = stack.use(await createNamespace('right'));
    const { path: notes } = stack.use(await temporaryDirectory());
    await connectNamespaces(
      { namespace: left, device: 'wire', address: '192.0.2.1/24' },
      { namespace: right, device: 'wire', address: '192.0.2.2/24' },
    );
    const start = (side: 'left' | 'right'): HostProcess =>
      HostProcess.start({
        namespace: (side === 'left' ? left : right).name,
        owner: `${vpnId}/${side}`,
        notesDirectory: notes,
      });
    bed = { left, right, notes, start };
  });
  after(() => stack.disposeAsync());

  /** Both ends, up and talking. */
  async function connected(
    use: AsyncDisposableStack,
  ): Promise<{ left: HostProcess; right: HostProcess }> {
    const left = use.use(bed.start('left'));
    const right = use.use(bed.start('right'));
    use.defer(async () => {
      await using last = bed.start('left');
      await using lastRight = bed.start('right');
      await Promise.all([last.destroy(), lastRight.destroy()]);
    });
    await Promise.all([left.apply(stateOf('left')), right.apply(stateOf('right'))]);
    await ping(bed.left, addresses.right);
    return { left, right };
  }

  it('makes an interface that carries packets, and leaves nothing when it is destroyed', async () => {
    await using use = new AsyncDisposableStack();
    const { left, right } = await connected(use);
    const [peer] = await left.observe();
    assert.equal(peer?.publicKey, keys.right.publicKey);
    assert.equal(peer?.endpoint, '192.0.2.2:51820');
    assert.ok((peer?.latestHandshakeMs ?? 0) > Date.now() - 60_000);
    assert.ok((peer?.receivedBytes ?? 0) > 0);
    const link = await bed.left.sh(`ip -j link show dev ${names.left}`);
    assert.equal(JSON.parse(link)[0].ifalias, `hanse:${vpnId}/left`);

    await Promise.all([left.destroy(), right.destroy()]);
    assert.doesNotMatch(await bed.left.sh('ip link'), /hns/);
    assert.equal(await bed.left.sh('nft list ruleset'), '');
    assert.deepEqual(await readdir(bed.notes), []);
    const sockets = await readdir('/var/run/wireguard');
    assert.ok(!sockets.includes(`${names.left}.sock`) && !sockets.includes(`${names.right}.sock`));
    assert.doesNotMatch(await processesIn(bed.left), /wireguard-go/);
  });

  it('adopts what a killed process left, while packets go on', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const handshakeBefore = (await left.observe())[0]?.latestHandshakeMs;
    const pings = flood(bed.left, addresses.right, 200);
    await left.kill();
    await using next = bed.start('left');
    await next.apply(stateOf('left'));
    assert.equal(await pings, 0, 'packets lost');
    assert.equal((await next.observe())[0]?.latestHandshakeMs, handshakeBefore);
  });

  it('finishes or removes an interface that was being made when it was killed', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    await left.kill();
    await new InterfaceNotes(bed.notes).write(names.left, `hanse:${vpnId}/left`);
    await bed.left.runner.run('ip', ['link', 'set', 'dev', names.left, 'alias', ''], {
      timeoutMs: 5_000,
    });
    await using next = bed.start('left');
    await next.apply(stateOf('left'));
    assert.match(await bed.left.sh('ip link'), new RegExp(`alias hanse:${vpnId}/left`));
  });

  it('comes up, and goes away whole, after being killed at any moment', async () => {
    for (let round = 0; round < 15; round += 1) {
      const host = bed.start('left');
      await host.observe();
      const peers = round % 2 === 0 ? [] : [peerOf('right')];
      const applied = host.apply(stateOf('left', { peers })).catch(() => undefined);
      // From the first command to after the last one, wherever those are on this machine.
      await delay(round * 8);
      await host.kill();
      await applied;
      if (round % 5 !== 4) continue;
      await using next = bed.start('left');
      await until('it is up', () =>
        next.apply(stateOf('left')).then(
          () => true,
          () => false,
        ),
      );
      await next.destroy();
      assert.doesNotMatch(await bed.left.sh('ip link'), /hns/);
      assert.doesNotMatch(await processesIn(bed.left), /wireguard-go/);
      assert.deepEqual(await readdir(bed.notes), []);
    }
  });

  it('changes a preshared key without losing the session or a packet', async () => {
    await using use = new AsyncDisposableStack();
    const { left, right } = await connected(use);
    const handshakeBefore = (await left.observe())[0]?.latestHandshakeMs;
    const pings = flood(bed.left, addresses.right, 200);
    const changed = { presharedKey: generatePresharedKey() };
    await left.apply(stateOf('left', { peers: [peerOf('right', changed)] }));
    await right.apply(stateOf('right', { peers: [peerOf('left', changed)] }));
    assert.equal(await pings, 0, 'packets lost');
    assert.equal((await left.observe())[0]?.latestHandshakeMs, handshakeBefore);
    const keysNow = await bed.left.sh(`wg show ${names.left} preshared-keys`);
    assert.ok(keysNow.includes(changed.presharedKey));
  });

  it('leaves a peer that has roamed where it was heard last', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const moveTo = async (from: string, to: string): Promise<void> => {
      await bed.right.sh(`ip address del ${from}/24 dev wire`);
      await bed.right.sh(`ip address add ${to}/24 dev wire`);
    };
    await moveTo('192.0.2.2', '192.0.2.3');
    use.defer(() => moveTo('192.0.2.3', '192.0.2.2'));
    await until('the peer is heard elsewhere', async () => {
      await bed.right.sh(`ping -c 1 -W 1 ${addresses.left}`).catch(() => undefined);
      return (await left.observe())[0]?.endpoint === '192.0.2.3:51820';
    });
    const rekeyed = stateOf('left', {
      peers: [peerOf('right', { presharedKey: generatePresharedKey() })],
    });
    await left.apply(rekeyed);
    assert.equal((await left.observe())[0]?.endpoint, '192.0.2.3:51820');
    await left.kill();
    await using next = bed.start('left');
    await next.apply(stateOf('left'));
    assert.equal((await next.observe())[0]?.endpoint, '192.0.2.3:51820');
  });

  it('adds and removes peers and leaves the others alone', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const more = Array.from({ length: 50 }, (_, index) => ({
      publicKey: generateKeys().publicKey,
      presharedKey,
      allowedIps: [parsePrefix(`100.64.0.${index + 10}/32`)],
    }));
    const pings = flood(bed.left, addresses.right, 100);
    await left.apply(stateOf('left', { peers: [peerOf('right'), ...more] }));
    assert.equal((await left.observe()).length, 51);
    await left.apply(stateOf('left', { peers: [...more.slice(40), peerOf('right')] }));
    assert.equal((await left.observe()).length, 11);
    assert.equal(await pings, 0, 'packets lost');
    const moved = [
      peerOf('right', {
        allowedIps: [...peerOf('right').allowedIps, ...(more[0]?.allowedIps ?? [])],
      }),
    ];
    await left.apply(stateOf('left', { peers: moved }));
    const ips = await bed.left.sh(`wg show ${names.left} allowed-ips`);
    assert.match(ips, /100\.64\.0\.2\/32 100\.64\.0\.10\/32/);
  });

  it('moves a route to another interface and removes the interface that is no longer wanted', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const second: InterfaceState = {
      ...interfaceOf('left', { peers: [], listenPort: 51_821, addresses: [] }),
      name: interfaceName({ vpnId, node: 'left', pathClass: 'backup' }),
      privateKey: generateKeys().privateKey,
      routes: [{ destination: parsePrefix('100.64.0.0/24') }],
    };
    await left.apply({ interfaces: [interfaceOf('left', { routes: [] }), second] });
    const moved = await bed.left.sh('ip -j route show 100.64.0.0/24');
    assert.deepEqual(
      JSON.parse(moved).map(({ dev }: { dev: string }) => dev),
      [second.name],
    );
    await left.apply(stateOf('left'));
    const back = JSON.parse(await bed.left.sh('ip -j route show 100.64.0.0/24'));
    assert.equal(back[0].dev, names.left);
    assert.equal(back[0].prefsrc, addresses.left);
    assert.equal(back.length, 1);
    assert.ok(!(await bed.left.sh('ip link')).includes(second.name));
    await ping(bed.left, addresses.right);
  });

  it('moves a route off an interface that goes away without losing a packet', async () => {
    await using use = new AsyncDisposableStack();
    const { left, right } = await connected(use);
    const spareKeys = { left: generateKeys(), right: generateKeys() };
    const spare = (side: 'left' | 'right', other: 'left' | 'right'): InterfaceState => ({
      ...interfaceOf(side, { listenPort: 51_821 }),
      name: interfaceName({ vpnId, node: side, pathClass: 'spare' }),
      privateKey: spareKeys[side].privateKey,
      peers: [
        peerOf(other, {
          publicKey: spareKeys[other].publicKey,
          endpoint: other === 'left' ? '192.0.2.1:51821' : '192.0.2.2:51821',
          keepaliveSeconds: 1,
        }),
      ],
    });
    const [leftSpare, rightSpare] = [spare('left', 'right'), spare('right', 'left')];
    const withoutRoutes = { routes: [] };
    const warm = { ...leftSpare, ...withoutRoutes };
    await right.apply({ interfaces: [interfaceOf('right', withoutRoutes), rightSpare] });
    await left.apply({ interfaces: [interfaceOf('left'), warm] });
    await until('the spare path is warm', async () =>
      (await left.observe()).every(({ latestHandshakeMs }) => latestHandshakeMs !== undefined),
    );
    await ping(bed.left, addresses.right);
    const pings = flood(bed.left, addresses.right, 200);
    await left.apply({ interfaces: [leftSpare] });
    assert.equal(await pings, 0, 'packets lost');
    assert.ok(!(await bed.left.sh('ip link')).includes(names.left));
  });

  it('changes addresses, MTU and port in place', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const changed = {
      addresses: [parseAddress('100.64.0.9'), parseAddress('fd00::9')],
      mtuBytes: 1_380,
      listenPort: 51_999,
      routes: [
        { destination: parsePrefix('100.64.0.0/24'), source: parseAddress('100.64.0.9') },
        { destination: parsePrefix('fd00::/48'), source: parseAddress('fd00::9') },
      ],
    };
    await left.apply(stateOf('left', changed));
    const [link] = JSON.parse(await bed.left.sh(`ip -j address show dev ${names.left}`));
    const found = link.addr_info.map(({ local }: { local: string }) => local);
    assert.deepEqual(found.sort(), ['100.64.0.9', 'fd00::9']);
    assert.equal(link.mtu, 1_380);
    assert.equal((await bed.left.sh(`wg show ${names.left} listen-port`)).trim(), '51999');
    const [route] = JSON.parse(await bed.left.sh('ip -j route show 100.64.0.0/24'));
    assert.equal(route.prefsrc, '100.64.0.9');
    await left.kill();
    await using next = bed.start('left');
    await next.apply(stateOf('left', changed));
    const [same] = JSON.parse(await bed.left.sh(`ip -j address show dev ${names.left}`));
    assert.deepEqual(same.addr_info, link.addr_info);
  });

  it('keeps its IPv4 routes when its last address goes, as at a master that acts for nothing any more', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const routes = [{ destination: parsePrefix('100.64.0.0/24') }];
    await left.apply(stateOf('left', { addresses: [], routes }));
    const readRoutes = async () => JSON.parse(await bed.left.sh('ip -j route show proto 104'));
    const [route, ...others] = await readRoutes();
    assert.deepEqual([route?.dst, route?.dev, others], ['100.64.0.0/24', names.left, []]);
    await left.apply(stateOf('left', { addresses: [], routes: [] }));
    assert.deepEqual(await readRoutes(), []);
  });

  it('makes an interface again that somebody has deleted or taken down', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    await bed.left.sh(`ip link set ${names.left} down`);
    await left.observe();
    await ping(bed.left, addresses.right);
    await bed.left.sh(`ip link del ${names.left}`);
    await left.observe();
    await ping(bed.left, addresses.right);
  });

  it('makes an interface again whose wireguard-go was killed', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const processes = await processesIn(bed.left);
    const pid = /^(\d+) .*wireguard-go/m.exec(processes)?.[1];
    process.kill(Number(pid), 'SIGKILL');
    await until(
      'the interface is gone',
      async () => !(await bed.left.sh('ip link')).includes('hns'),
    );
    await left.kill();
    await using next = bed.start('left');
    await next.apply(stateOf('left'));
    await ping(bed.left, addresses.right);
  });

  it('refuses an interface of the same name that is not ours, and does not touch it', async () => {
    await using use = new AsyncDisposableStack();
    await bed.left.sh(`ip tuntap add dev ${names.left} mode tun`);
    use.defer(() => bed.left.sh(`ip tuntap del dev ${names.left} mode tun`).then(() => undefined));
    const before = await bed.left.sh(`ip -d link show dev ${names.left}`);
    await using host = bed.start('left');
    const second = { ...interfaceOf('left', { listenPort: 51_821 }), name: 'hnsanother' };
    const state = { interfaces: [interfaceOf('left', { routes: [] }), second] };
    await assert.rejects(host.apply(state), {
      code: 'not-ours',
      fields: { interface: names.left },
    });
    assert.equal(await bed.left.sh(`ip -d link show dev ${names.left}`), before);
    assert.match(await bed.left.sh('ip link'), /hnsanother/, 'the other one is up all the same');
    await host.destroy();
    assert.equal(await bed.left.sh(`ip -d link show dev ${names.left}`), before);
    assert.doesNotMatch(await bed.left.sh('ip link'), /hnsanother/);
  });

  it('leaves interfaces of other owners alone', async () => {
    await using use = new AsyncDisposableStack();
    await connected(use);
    await using other = HostProcess.start({
      namespace: bed.left.name,
      owner: `${vpnId}/somebody`,
      notesDirectory: bed.notes,
    });
    await assert.rejects(other.apply(stateOf('left')), { code: 'not-ours' });
    await other.destroy();
    await ping(bed.left, addresses.right);
  });

  it('refuses a name whose wireguard-go runs in another namespace', async () => {
    await using use = new AsyncDisposableStack();
    await connected(use);
    await using other = await createNamespace('other');
    await using host = HostProcess.start({
      namespace: other.name,
      owner: `${vpnId}/elsewhere`,
      notesDirectory: bed.notes,
    });
    await assert.rejects(host.apply(stateOf('left')), { code: 'not-ours' });
    await host.destroy();
    await ping(bed.left, addresses.right);
  });

  it('says that the port is taken, and takes it once it is free', async () => {
    await using use = new AsyncDisposableStack();
    const { left } = await connected(use);
    const second = {
      ...interfaceOf('left', { routes: [], addresses: [] }),
      name: interfaceName({ vpnId, node: 'left', pathClass: 'backup' }),
    };
    await assert.rejects(left.apply({ interfaces: [interfaceOf('left'), second] }), {
      code: 'port-in-use',
      fields: { interface: second.name, port: 51_820 },
    });
    await ping(bed.left, addresses.right);
    await left.apply({ interfaces: [interfaceOf('left'), { ...second, listenPort: 51_830 }] });
    assert.equal((await bed.left.sh(`wg show ${second.name} listen-port`)).trim(), '51830');
  });

  it('keeps the port that an interface has got by chance as it came up', async () => {
    await using use = new AsyncDisposableStack();
    const limitPorts = (range: string) =>
      bed.left.sh(`sysctl -w net.ipv4.ip_local_port_range=${range}`);
    use.defer(async () => void (await limitPorts('32768\t60999')));
    const left = use.use(bed.start('left'));
    use.defer(() => left.destroy());
    await limitPorts('51820\t51820');
    await left.apply(stateOf('left'));
    assert.equal((await bed.left.sh(`wg show ${names.left} listen-port`)).trim(), '51820');
  });
});

async function ping(namespace: NetworkNamespace, address: string): Promise<void> {
  await until(`${address} answers`, () =>
    namespace.sh(`ping -c 1 -W 1 ${address}`).then(
      () => true,
      () => false,
    ),
  );
}

/** Sends pings 5 ms apart and counts those that are not answered. */
async function flood(namespace: NetworkNamespace, address: string, count: number): Promise<number> {
  const output = await namespace.sh(`ping -q -i 0.005 -c ${count} -W 2 ${address}`);
  const received = /(\d+) received/.exec(output)?.[1];
  return count - Number(received);
}

async function processesIn(namespace: NetworkNamespace): Promise<string> {
  const pids = (await namespace.sh(`ip netns pids ${namespace.name}`)).split('\n').filter(Boolean);
  const lines = await Promise.all(
    pids.map((pid) => namespace.sh(`ps -o pid=,args= -p ${pid}`).catch(() => '')),
  );
  return lines.map((line) => line.trim()).join('\n');
}
