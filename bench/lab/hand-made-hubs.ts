import type { Lab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { detectBackend, type WireguardBackend } from '../../src/host/wireguard/backend.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import { waitUntil } from '../bed/wait-until.ts';

/*
 * WireGuard hubs as one would configure them with `wg` and `ip`, beside Hanse's in the same
 * namespaces: the same program carries the packets, over the same underlay, with the same MTU.
 */

export interface HubsOptions {
  readonly lab: Lab;
  readonly mtuBytes: number;
  /** Each hub's host and those of its members. The hubs know each other. */
  readonly hubs: readonly [Hub, Hub];
}

export interface Hub {
  readonly host: string;
  readonly members: readonly string[];
}

interface Device {
  readonly node: LabNode;
  readonly name: string;
  readonly port: number;
  readonly address: string;
  readonly publicKey: string;
}

interface PeerLine {
  readonly of: Device;
  readonly allowedIps: string;
}

const network = '10.99.0.0/16';
const startTimeoutMs = 10_000;

/** @returns the members' addresses in these tunnels, by host */
export async function configureByHand(options: HubsOptions): Promise<ReadonlyMap<string, string>> {
  const maker = new DeviceMaker(options, await detectBackend(options.lab.core.runner));
  const addresses = new Map<string, string>();
  const towardsOther: Device[] = [];
  for (const [index, { host, members }] of options.hubs.entries()) {
    const hub = await maker.make(host, `10.99.${index}.1`);
    const towards = await maker.make(host, `10.99.${index}.254`);
    towardsOther.push(towards);
    const peers: PeerLine[] = [];
    for (const [place, member] of members.entries()) {
      const address = `10.99.${index}.${place + 2}`;
      const device = await maker.make(member, address);
      await maker.connect(device, [{ of: hub, allowedIps: network }], [network]);
      peers.push({ of: device, allowedIps: `${address}/32` });
      addresses.set(member, address);
    }
    await maker.connect(hub, peers, [`10.99.${index}.0/24`]);
  }
  const [one, other] = towardsOther;
  if (one && other) {
    await maker.connect(one, [{ of: other, allowedIps: network }], ['10.99.1.0/24']);
    await maker.connect(other, [{ of: one, allowedIps: network }], ['10.99.0.0/24']);
  }
  return addresses;
}

class DeviceMaker {
  readonly #options: HubsOptions;
  readonly #backend: WireguardBackend;
  #made = 0;

  constructor(options: HubsOptions, backend: WireguardBackend) {
    this.#options = options;
    this.#backend = backend;
  }

  async make(host: string, address: string): Promise<Device> {
    const { lab, mtuBytes } = this.#options;
    const node = lab.node(host);
    this.#made += 1;
    // Unique on the whole machine, because wireguard-go's control sockets are.
    const name = `ref${lab.id}${this.#made}`;
    if (this.#backend.kind === 'kernel')
      await node.run('ip', ['link', 'add', name, 'type', 'wireguard']);
    else await startWireguardGo(node, name, this.#backend.path);
    const { privateKey, publicKey } = createWireguardKeyPair();
    const port = 40_000 + this.#made;
    const args = ['set', name, 'listen-port', String(port), 'private-key', '/dev/stdin'];
    await node.run('wg', args, { input: privateKey });
    await node.run('ip', ['address', 'add', `${address}/32`, 'dev', name]);
    await node.run('ip', ['link', 'set', name, 'mtu', String(mtuBytes), 'up']);
    await node.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    return { node, name, port, address, publicKey };
  }

  /** Tells a device about its peers, and routes to it what lies behind them. */
  async connect(
    device: Device,
    peers: readonly PeerLine[],
    routes: readonly string[],
  ): Promise<void> {
    for (const { of, allowedIps } of peers) {
      const endpoint = `${of.node.address('ipv4')}:${of.port}`;
      const args = ['peer', of.publicKey, 'allowed-ips', allowedIps, 'endpoint', endpoint];
      await device.node.run('wg', ['set', device.name, ...args]);
    }
    for (const route of routes)
      await device.node.run('ip', ['route', 'add', route, 'dev', device.name]);
  }
}

async function startWireguardGo(node: LabNode, name: string, path: string): Promise<void> {
  await node.start(path, ['--foreground', name], { env: { LOG_LEVEL: 'error' } });
  await waitUntil(`wireguard-go makes ${name}`, startTimeoutMs, () =>
    node.run('wg', ['show', name]).then(
      () => true,
      () => undefined,
    ),
  );
}
