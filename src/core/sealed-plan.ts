import { formatSocketAddress } from '../model/endpoint.ts';
import type { InterfaceState, PeerState, RouteState, SealedForm } from '../model/host-state.ts';
import { type Address, hostPrefix, type Prefix, parseAddress } from '../model/prefix.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';
import { masterAddressIndex, sealedAddress } from './addressing.ts';
import { hostRoutes } from './direct-plan.ts';

/*
 * Sealed tunnels: WireGuard from member to member, whose packets travel inside the tunnels to the
 * masters. A master forwards them and cannot open them; whatever way a member's packets take to its
 * masters, over a backup or over HTTPS, they take it too.
 */

/** Wherever WireGuard's packets need room within WireGuard's: IPv6 40, UDP 8, and 32 of its own. */
const sealedOverheadBytes = 80;
/** No interface with less has IPv6 (RFC 8200 §5); the packets around are fragmented then. */
const leastMtuBytes = 1_280;
/** As a member's tunnel to a master: it makes WireGuard send its handshake at once. */
const sealedKeepaliveSeconds = 25;

/** Nobody is there: what is for members that have no tunnel yet goes to it, so that nobody is told it cannot be sent. */
const nowhere = formatSocketAddress(parseAddress('::1'), 9);

/** For the filter between members and gateways. */
export const sealedForm: SealedForm = {
  bit: sealedAddress(parseAddress('::')),
  gatewayInterfaceId: parseAddress(`::${masterAddressIndex}`),
};

/** The one interface of a membership for all its sealed tunnels. */
export interface SealedFacts {
  readonly interfaceName: string;
  readonly listenPort: number;
  /** Whether nothing goes to other members but by it, or by direct paths. */
  readonly isRequired: boolean;
  readonly peers: readonly SealedPeerFacts[];
  /**
   * The IPv6 addresses of the peers, and of those that are about to be: a host changes peers before
   * routes, and the first packet to a peer must find its way around this interface.
   */
  readonly routed: readonly Address[];
  /** A key that nobody has, for what is for nobody yet. */
  readonly nobody: { readonly publicKey: WireguardPublicKey; readonly presharedKey: PresharedKey };
}

/** The other end of a sealed tunnel. */
export interface SealedPeerFacts {
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey;
  readonly ipv4: Address;
  readonly ipv6: Address;
  /** UDP, at its sealed address. */
  readonly port: number;
  /** Makes WireGuard begin although there is nothing to be sent. */
  readonly isKeptAlive: boolean;
  /** Whether the kernel sends by it where it has the choice; what the other end sends is taken in any case. */
  readonly isUsed: boolean;
}

/** The member at this end. */
export interface SealedOwner {
  readonly privateKey: WireguardPrivateKey;
  readonly ipv4: Address;
  readonly ipv6: Address;
  /** The smallest of the tunnels to masters. */
  readonly pathMtuBytes: number;
  /** What goes to masters as long as sealing is not required. */
  readonly routes: readonly RouteState[];
  /** Whether the membership may route IPv4, see `planMember`. */
  readonly routesIpv4: boolean;
}

export function sealedMtuBytes(pathMtuBytes: number): number {
  return Math.max(leastMtuBytes, pathMtuBytes - sealedOverheadBytes);
}

export function planSealedInterface(
  owner: SealedOwner,
  sealed: SealedFacts,
  prefixes: readonly Prefix[],
): InterfaceState {
  const peers = sealed.peers.map(planPeer);
  return {
    name: sealed.interfaceName,
    privateKey: owner.privateKey,
    listenPort: sealed.listenPort,
    mtuBytes: sealedMtuBytes(owner.pathMtuBytes),
    addresses: [owner.ipv4, owner.ipv6],
    peers: sealed.isRequired
      ? [...peers, { ...sealed.nobody, endpoint: nowhere, allowedIps: prefixes }]
      : peers,
    routes: planRoutes(owner, sealed),
  };
}

function planRoutes(owner: SealedOwner, { isRequired, peers }: SealedFacts): readonly RouteState[] {
  if (isRequired) return owner.routes;
  return peers.filter(({ isUsed }) => isUsed).flatMap((peer) => hostRoutes(owner, peer));
}

/** By the tunnel to a master, for WireGuard's packets to each peer: from the sealed address to the sealed address. */
export function outerRoutes(ipv6: Address, { routed }: SealedFacts): readonly RouteState[] {
  const source = sealedAddress(ipv6);
  return routed.map((address) => ({ destination: hostPrefix(sealedAddress(address)), source }));
}

function planPeer(peer: SealedPeerFacts): PeerState {
  return {
    publicKey: peer.publicKey,
    presharedKey: peer.presharedKey,
    endpoint: formatSocketAddress(sealedAddress(peer.ipv6), peer.port),
    allowedIps: [peer.ipv4, peer.ipv6].map(hostPrefix),
    ...(peer.isKeptAlive ? { keepaliveSeconds: sealedKeepaliveSeconds } : {}),
  };
}
