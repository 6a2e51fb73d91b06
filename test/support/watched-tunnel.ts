import { interfaceName } from '../../src/host/interface-name.ts';
import type { HostState } from '../../src/model/host-state.ts';
import { type Address, hostPrefix, parseAddress } from '../../src/model/prefix.ts';
import type { WatchedPath } from '../../src/paths/path-monitor.ts';
import { HostProcess } from './host-process.ts';
import { connectNamespaces, createNamespace, type NetworkNamespace } from './network-namespace.ts';
import { PathProcess } from './path-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { generateKeys, generatePresharedKey, type WireguardKeys } from './wireguard-peer.ts';

const underlay = 'under0';
const vpnId = process.pid.toString(16).padStart(8, '0');

/** One end: a machine, its WireGuard interface, and a process that watches it. */
export class TunnelEnd {
  readonly watcher: PathProcess;
  readonly linkLocal: Address;
  readonly interfaceName: string;
  readonly #namespace: NetworkNamespace;
  readonly #host: HostProcess;
  readonly #state: HostState;

  constructor(parts: {
    readonly watcher: PathProcess;
    readonly linkLocal: Address;
    readonly interfaceName: string;
    readonly namespace: NetworkNamespace;
    readonly host: HostProcess;
    readonly state: HostState;
  }) {
    this.watcher = parts.watcher;
    this.linkLocal = parts.linkLocal;
    this.interfaceName = parts.interfaceName;
    this.#namespace = parts.namespace;
    this.#host = parts.host;
    this.#state = parts.state;
  }

  /** As the watcher said last; undefined before it has said anything. */
  get isAlive(): boolean | undefined {
    return this.watcher.statuses.get(this.interfaceName)?.isAlive;
  }

  get roundTripMs(): number | undefined {
    return this.watcher.statuses.get(this.interfaceName)?.roundTripMs;
  }

  pathTo(remote: TunnelEnd): WatchedPath {
    return {
      interfaceName: this.interfaceName,
      ownLinkLocal: this.linkLocal,
      remoteLinkLocal: remote.linkLocal,
      using: false,
      idleProbeMs: 300,
    };
  }

  /** Makes the interface, or what is missing of it. */
  bringUp(): Promise<void> {
    return this.#host.apply(this.#state);
  }

  takeDown(): Promise<void> {
    return this.#host.destroy();
  }

  /** From now on nothing arrives at this machine any more, and nobody is told. */
  async deafen(): Promise<void> {
    await this.#namespace.sh('nft add table netdev cut');
    const hook = `{ type filter hook ingress device ${underlay} priority -500 ; policy drop ; }`;
    await this.#namespace.sh(`nft add chain netdev cut everything ${hook}`);
  }

  async undeafen(): Promise<void> {
    await this.#namespace.sh('nft delete table netdev cut');
  }
}

/** Two machines with a WireGuard tunnel between them; nothing is watched yet. */
export class WatchedTunnel implements AsyncDisposable {
  readonly left: TunnelEnd;
  readonly right: TunnelEnd;
  readonly #stack: AsyncDisposableStack;

  private constructor(left: TunnelEnd, right: TunnelEnd, stack: AsyncDisposableStack) {
    this.left = left;
    this.right = right;
    this.#stack = stack;
  }

  static async create(): Promise<WatchedTunnel> {
    await using building = new AsyncDisposableStack();
    const { path: notes } = building.use(await temporaryDirectory());
    const machines = [
      { namespace: building.use(await createNamespace('left')), address: '192.0.2.1' },
      { namespace: building.use(await createNamespace('right')), address: '192.0.2.2' },
    ] as const;
    const [one, other] = machines.map((machine) => ({
      ...machine,
      device: underlay,
      address: `${machine.address}/24`,
    })) as [never, never];
    await connectNamespaces(one, other);
    const presharedKey = generatePresharedKey();
    const keys = [generateKeys(), generateKeys()] as const;
    const linkLocals = ['fe80::1', 'fe80::2:0:0:7'].map(parseAddress) as [Address, Address];
    const build = async (at: 0 | 1): Promise<TunnelEnd> => {
      const { namespace } = machines[at];
      const remote = at === 0 ? 1 : 0;
      const owner = `${vpnId}/watched-${at}`;
      const name = interfaceName({ vpnId, node: namespace.name, pathClass: 'watched' });
      const peer = {
        publicKey: keys[remote].publicKey,
        presharedKey,
        endpoint: `${machines[remote].address}:51820`,
        allowedIps: [hostPrefix(linkLocals[remote])],
      };
      return new TunnelEnd({
        namespace,
        interfaceName: name,
        linkLocal: linkLocals[at],
        host: building.use(
          HostProcess.start({ namespace: namespace.name, owner, notesDirectory: notes }),
        ),
        watcher: building.use(await PathProcess.start(namespace)),
        state: stateOf(name, keys[at], { linkLocal: linkLocals[at], peer }),
      });
    };
    const [left, right] = [await build(0), await build(1)];
    await Promise.all([left.bringUp(), right.bringUp()]);
    return new WatchedTunnel(left, right, building.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.left.takeDown(), this.right.takeDown()]);
    await this.#stack.disposeAsync();
  }
}

function stateOf(
  name: string,
  { privateKey }: WireguardKeys,
  {
    linkLocal,
    peer,
  }: {
    readonly linkLocal: Address;
    readonly peer: HostState['interfaces'][number]['peers'][number];
  },
): HostState {
  const addresses = { addresses: [], linkLocal };
  const common = { name, privateKey, listenPort: 51_820, mtuBytes: 1_420 };
  return { interfaces: [{ ...common, ...addresses, peers: [peer], routes: [] }] };
}
