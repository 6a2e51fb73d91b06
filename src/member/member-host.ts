import type { Conversation } from '../host/firewall/conversation-listing.ts';
import type { HostState } from '../model/host-state.ts';
import type { Address, Prefix } from '../model/prefix.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import type { PathStatus, WatchedPath } from '../paths/path-monitor.ts';
import type { ProbeMessage } from '../paths/probe-message.ts';
import type { ProbeSocketOptions } from '../paths/probe-socket.ts';

/** What the member needs of its operating system; `system-host.ts` has the real one. */
export interface MemberHost {
  readonly wireguard: { readonly backend: 'kernel' | 'wireguard-go'; readonly version: string };
  /** Of a tunnel to an address, over the way that packets take to it now. */
  tunnelMtuBytes(address: Address): Promise<number>;
  /** Makes the state so, whole; what was ours and is not in it goes away. */
  apply(state: HostState, signal: AbortSignal): Promise<void>;
  /** What WireGuard says of the only peer of each interface that has but one, by interface name. */
  observe(): Promise<ReadonlyMap<string, TunnelObservation>>;
  /** @throws an error with a message for people when a prefix meets one of the host's own networks */
  assertNoOverlap(prefixes: readonly Prefix[]): Promise<void>;
  /** @param onChange tunnels have died or come back */
  watchPaths(onChange: () => void): PathWatch;
  /** What WireGuard says of all peers of one interface; none when there is no such interface. */
  observePeers(interfaceName: string): Promise<readonly DirectObservation[]>;
  /** Who exchanges packets that are to be sealed, see `HostState.sealing`. */
  conversations(): Promise<readonly Conversation[]>;
  /** Opens nothing yet: see `follow`. */
  openProbes(
    options: ProbeSocketOptions,
    onMessage: (message: ProbeMessage, from: Address) => void,
  ): ProbeChannel;
  /** Of all the machine's network interfaces, ours as well. */
  networkAddresses(): readonly NetworkAddress[];
  /** A UDP port that nobody on this machine uses now. */
  freeUdpPort(): Promise<number>;
}

export interface DirectObservation extends TunnelObservation {
  readonly publicKey: WireguardPublicKey;
}

export interface NetworkAddress {
  readonly interfaceName: string;
  readonly address: Address;
}

/** Sends probes to the link-local addresses behind one interface, and hears them; `paths/probe-socket.ts`. */
export interface ProbeChannel {
  /** A probe that cannot be sent is one that is not answered. */
  send(message: ProbeMessage, to: Address): void;
  /** Makes it right when the interface has come or was made anew: to be called again and again. */
  follow(): void;
  close(): void;
}

export interface TunnelObservation {
  readonly endpoint?: string;
  /** Absent when there was none. */
  readonly handshakeAtMs?: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Tells which tunnels carry packets; `paths/path-monitor.ts`. */
export interface PathWatch {
  /** The tunnels to watch from now on, whole. One that is new counts as alive. */
  set(paths: readonly WatchedPath[]): void;
  /** By interface. */
  statuses(): ReadonlyMap<string, PathStatus>;
  /** Resolves when the other end has answered a probe that is sent now, or a later one; may never. */
  probe(interfaceName: string): Promise<void>;
  /** Watches until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}
