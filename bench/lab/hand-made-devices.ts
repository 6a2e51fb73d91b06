import type { Lab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { detectBackend, type WireguardBackend } from '../../src/host/wireguard/backend.ts';
import { formatSocketAddress } from '../../src/model/endpoint.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import { waitUntil } from '../bed/wait-until.ts';

export interface Device {
  readonly node: LabNode;
  readonly name: string;
  readonly port: number;
  readonly address: string;
  readonly publicKey: string;
}

export interface PeerLine {
  readonly of: Device;
  readonly allowedIps: string;
  /** Where it is sent to instead of to the peer; kept alive, since a relay has to hear both ends. */
  readonly through?: string;
}

interface DevicesOptions {
  readonly lab: Lab;
  readonly mtuBytes: number;
}

const startTimeoutMs = 10_000;
const keepaliveSeconds = 5;

/**
 * WireGuard interfaces as one would configure them with `wg` and `ip`, beside Hanse's in the same
 * namespaces: the same program carries the packets, over the same underlay, with the same MTU.
 * One for each lab, or names would meet.
 */
export class HandMadeDevices {
  readonly #options: DevicesOptions;
  readonly #backend: WireguardBackend;
  #made = 0;

  static async create(options: DevicesOptions): Promise<HandMadeDevices> {
    return new HandMadeDevices(options, await detectBackend(options.lab.core.runner));
  }

  private constructor(options: DevicesOptions, backend: WireguardBackend) {
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
    for (const { of, allowedIps, through } of peers) {
      const endpoint = through ?? formatSocketAddress(of.node.address('ipv4'), of.port);
      const keepalive = through ? ['persistent-keepalive', String(keepaliveSeconds)] : [];
      const args = ['peer', of.publicKey, 'allowed-ips', allowedIps, 'endpoint', endpoint];
      await device.node.run('wg', ['set', device.name, ...args, ...keepalive]);
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
