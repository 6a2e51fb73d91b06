import type { Conversation } from '../../src/host/firewall/conversation-listing.ts';
import type {
  DirectObservation,
  MemberHost,
  NetworkAddress,
  PathWatch,
  ProbeChannel,
  TunnelObservation,
} from '../../src/member/member-host.ts';
import type { HostState, InterfaceState } from '../../src/model/host-state.ts';
import type { Address } from '../../src/model/prefix.ts';
import type { WireguardPublicKey } from '../../src/model/wireguard-key.ts';
import type { WatchedPath } from '../../src/paths/path-monitor.ts';
import type { ProbeMessage } from '../../src/paths/probe-message.ts';
import type { ProbeSocketOptions } from '../../src/paths/probe-socket.ts';

/** A machine whose whole network configuration is the last state that was applied. */
export class MemoryHost implements MemberHost {
  readonly wireguard = { backend: 'kernel', version: '1.0' } as const;

  readonly applied: HostState[] = [];
  /** Thrown by the next applies, one each. */
  readonly failures: Error[] = [];
  /** What applies wait for: a machine that is busy. */
  busy: Promise<void> | undefined;
  overlap: Error | undefined;
  /** Whether the masters answer what they are asked in living tunnels. */
  answersProbes = false;
  /** The tunnels that are to be watched. */
  watched: readonly WatchedPath[] = [];
  networkAddresses: () => readonly NetworkAddress[] = () => [];
  /** Handed out one after the other. */
  nextPort = 40_001;
  /** What WireGuard says of direct peers, beside that it has them. */
  readonly observed = new Map<WireguardPublicKey, Partial<DirectObservation>>();
  /** What the kernel has noted of packets that are to be sealed. */
  talking: readonly Conversation[] = [];
  /** Takes what is sent to direct peers. */
  onProbe: (message: ProbeMessage, to: Address) => void = () => {};
  readonly #dead = new Set<string>();
  #onProbeHeard: (message: ProbeMessage, from: Address) => void = () => {};
  #onPathChange: () => void = () => {};

  get interfaces(): readonly InterfaceState[] {
    return this.applied.at(-1)?.interfaces ?? [];
  }

  async apply(state: HostState): Promise<void> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    if (this.busy) await this.busy;
    this.applied.push(state);
  }

  async tunnelMtuBytes(): Promise<number> {
    return 1_420;
  }

  async observe(): Promise<ReadonlyMap<string, TunnelObservation>> {
    return new Map(
      this.interfaces.map(({ name }) => [name, { receivedBytes: 10, sentBytes: 20 }] as const),
    );
  }

  async assertNoOverlap(): Promise<void> {
    if (this.overlap) throw this.overlap;
  }

  async observePeers(interfaceName: string): Promise<readonly DirectObservation[]> {
    const peers = this.interfaces.find(({ name }) => name === interfaceName)?.peers ?? [];
    return peers.map(({ publicKey, endpoint }) => ({
      ...{ publicKey, receivedBytes: 0, sentBytes: 0 },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...this.observed.get(publicKey),
    }));
  }

  openProbes(
    _options: ProbeSocketOptions,
    onMessage: (message: ProbeMessage, from: Address) => void,
  ): ProbeChannel {
    this.#onProbeHeard = onMessage;
    return {
      send: (message, to) => this.onProbe(message, to),
      follow: () => {},
      close: () => {
        this.#onProbeHeard = () => {};
      },
    };
  }

  async conversations(): Promise<readonly Conversation[]> {
    return this.talking;
  }

  async freeUdpPort(): Promise<number> {
    this.nextPort += 1;
    return this.nextPort - 1;
  }

  /** Something comes out of the direct interface. */
  hearProbe(message: ProbeMessage, from: Address): void {
    this.#onProbeHeard(message, from);
  }

  watchPaths(onChange: () => void): PathWatch {
    this.#onPathChange = onChange;
    return {
      set: (paths) => {
        this.watched = paths;
      },
      statuses: () =>
        new Map(
          this.watched.map(({ interfaceName }) => {
            const isAlive = !this.#dead.has(interfaceName);
            return [interfaceName, { isAlive, isProven: true, sinceMs: 1 }] as const;
          }),
        ),
      probe: (name) =>
        this.answersProbes && !this.#dead.has(name) ? Promise.resolve() : new Promise(() => {}),
      run: (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    };
  }

  /** The tunnel dies or comes back. */
  setAlive(interfaceName: string, isAlive: boolean): void {
    if (isAlive) this.#dead.delete(interfaceName);
    else this.#dead.add(interfaceName);
    this.#onPathChange();
  }
}
