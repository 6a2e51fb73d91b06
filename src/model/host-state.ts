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
  /** Whose peers are not known: whatever the interface has there beside `peers` stays as it is. */
  readonly unknownWithin?: readonly Prefix[];
  readonly routes: readonly RouteState[];
}

/** A destination that is reached through the interface. */
export interface RouteState {
  readonly destination: Prefix;
  /** The node's own address to send from. */
  readonly source?: Address;
}

/** Ways of its own for what is sent from some of the node's addresses, whatever the other routes say. */
export interface SourceState {
  /** The node's own, of either family. */
  readonly addresses: readonly Address[];
  /** What none of them leads to goes as if there were none. */
  readonly routes: readonly SourceRoute[];
}

export interface SourceRoute extends RouteState {
  readonly interfaceName: string;
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
  /** Whether it is noted as well to whom members send by other gateways. */
  readonly notesDistant?: boolean;
  /** What may cross although this gateway could read it: nothing but what is sealed, unless absent. */
  readonly onlySealed?: SealedForm;
}

/** How packets of sealed tunnels are told from others: the bit is set in both of their addresses. */
export interface SealedForm {
  /** The whole IPv6 address with that bit alone. */
  readonly bit: Address;
  /** The last 64 bits of the address of any gateway, which speaks for itself. */
  readonly gatewayInterfaceId: Address;
}

/** One membership whose packets to other members are to be sealed. */
export interface SealingState extends SealedForm {
  /** The interface of its sealed tunnels. */
  readonly sealed: string;
  /** The interfaces by which gateways are reached: what passes there they can read. */
  readonly open: readonly string[];
  /** Whether nothing but sealed packets may pass there any more. */
  readonly isRequired: boolean;
}

export interface HostState {
  readonly interfaces: readonly InterfaceState[];
  /** Disjoint in their addresses; a kernel without policy routing goes without. */
  readonly sources?: readonly SourceState[];
  /** Present at masters only; its presence also turns forwarding on for our interfaces. */
  readonly gateway?: GatewayState;
  /** Of a member; absent where nothing is to be sealed. */
  readonly sealing?: readonly SealingState[];
}

/** The start of the name of every interface that Hanse owns; nothing else is ever touched. */
export const interfaceNamePrefix = 'hns';
