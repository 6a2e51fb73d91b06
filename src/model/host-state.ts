import type { Address, Prefix } from './prefix.ts';
import type { PresharedKey, WireguardPrivateKey, WireguardPublicKey } from './wireguard-key.ts';

/*
 * What a node wants its operating system to look like, whole. `core` plans it, `host` makes it so.
 */

/** Another end of a WireGuard interface. */
export interface PeerState {
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey;
  /** Numeric `address:port`; absent when the other end speaks first. */
  readonly endpoint?: string;
  /** What it may send from and what is sent to it; disjoint among the peers of one interface. */
  readonly allowedIps: readonly Prefix[];
  /** Seconds between keepalives; absent for none. */
  readonly keepaliveSeconds?: number;
}

/** One WireGuard interface, which stands for one class of paths (DESIGN §6). */
export interface InterfaceState {
  /** At most 15 characters, unique on the machine, starting with `interfaceNamePrefix`. */
  readonly name: string;
  readonly privateKey: WireguardPrivateKey;
  /** UDP; absent for a free one. */
  readonly listenPort?: number;
  readonly mtuBytes: number;
  /** The node's own addresses, each with the length of its host prefix. */
  readonly addresses: readonly Address[];
  /** The node's address on this interface alone (RFC 4291 §2.5.6), with a /64: for probes of the tunnel. */
  readonly linkLocal?: Address;
  readonly peers: readonly PeerState[];
  readonly routes: readonly RouteState[];
}

/** A destination that is reached through the interface. */
export interface RouteState {
  readonly destination: Prefix;
  /** The node's own address to send from. */
  readonly source?: Address;
}

/**
 * What may cross a gateway. Filtering has no state, so that a connection survives the change of
 * its master; and it concerns only packets that enter or leave by our interfaces.
 */
export interface GatewayState {
  /** The VPN's prefixes: nothing else may cross. */
  readonly prefixes: readonly Prefix[];
  /**
   * Interfaces towards members. What enters here was already bound to its sender by allowed IPs, and
   * may claim sources within `sources` and link-local ones.
   */
  readonly members: readonly { readonly name: string; readonly sources: readonly Prefix[] }[];
  /** Interfaces towards other masters, and the sources that the master at the other end may not claim. */
  readonly backbone: readonly { readonly name: string; readonly refused: readonly Prefix[] }[];
}

export interface HostState {
  readonly interfaces: readonly InterfaceState[];
  /** Present at masters only; its presence also turns forwarding on for our interfaces. */
  readonly gateway?: GatewayState;
}

/** The start of the name of every interface that Hanse owns; nothing else is ever touched. */
export const interfaceNamePrefix = 'hns';
