import type { HostState } from '../model/host-state.ts';
import type { Address, Prefix } from '../model/prefix.ts';
import type { PathStatus, WatchedPath } from '../paths/path-monitor.ts';

/** What the member needs of its operating system; `system-host.ts` has the real one. */
export interface MemberHost {
  readonly wireguard: { readonly backend: 'kernel' | 'wireguard-go'; readonly version: string };
  /** Of a tunnel to an address, over the way that packets take to it now. */
  tunnelMtuBytes(address: Address): Promise<number>;
  /** Makes the state so, whole; what was ours and is not in it goes away. */
  apply(state: HostState, signal: AbortSignal): Promise<void>;
  /** What WireGuard says of each interface's only peer, by interface name. */
  observe(): Promise<ReadonlyMap<string, TunnelObservation>>;
  /** @throws an error with a message for people when a prefix meets one of the host's own networks */
  assertNoOverlap(prefixes: readonly Prefix[]): Promise<void>;
  /** @param onChange tunnels have died or come back */
  watchPaths(onChange: () => void): PathWatch;
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
