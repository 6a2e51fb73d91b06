import type { InterfaceState, PeerState, RouteState } from '../model/host-state.ts';
import { type Address, hostPrefix } from '../model/prefix.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';
import { memberLinkLocal } from './addressing.ts';

/** As for masters: a NAT may forget a flow after 30 s. */
export const directKeepaliveSeconds = 25;

/** The one interface of a membership that all of its direct peers share. */
export interface DirectFacts {
  readonly interfaceName: string;
  readonly listenPort: number;
  readonly peers: readonly DirectPeerFacts[];
}

/** Another end of the direct interface, without the key of the epoch. */
export interface PlannedPeer {
  readonly publicKey: WireguardPublicKey;
  /** Numeric `address:port`; absent when the other end speaks first, or is where WireGuard has found it. */
  readonly endpoint?: string;
  /** Turning it on makes WireGuard send its handshake at once. */
  readonly isKeptAlive: boolean;
  /** Absent for a master, which only looks where its handshakes come from. */
  readonly member?: { readonly ipv4: Address; readonly ipv6: Address };
  /** Whether this node sends its packets to the member by it. */
  readonly isRouted: boolean;
  /**
   * A peer that gets another number is taken out and put in again: WireGuard begins no second
   * handshake with a peer within 5 s, whatever endpoint it is given.
   */
  readonly installation: number;
}

export interface DirectPeerFacts extends PlannedPeer {
  readonly presharedKey: PresharedKey;
}

/** The member at this end. */
export interface DirectOwner {
  readonly privateKey: WireguardPrivateKey;
  readonly ipv4: Address;
  readonly ipv6: Address;
  /** Of all the membership's interfaces: a packet must not grow too large by another way. */
  readonly mtuBytes: number;
  /** Whether the membership may route IPv4, see `planMember`: what falls back has to arrive. */
  readonly routesIpv4: boolean;
}

/** A host route for each peer that is in use is more specific than any route to a master. */
export function planDirectInterface(owner: DirectOwner, direct: DirectFacts): InterfaceState {
  return {
    name: direct.interfaceName,
    privateKey: owner.privateKey,
    listenPort: direct.listenPort,
    mtuBytes: owner.mtuBytes,
    addresses: [owner.ipv4, owner.ipv6],
    linkLocal: memberLinkLocal(owner.ipv6),
    peers: direct.peers.map(planPeer),
    routes: direct.peers.flatMap((peer) => planRoutes(owner, peer)),
  };
}

function planPeer(facts: DirectPeerFacts): PeerState {
  const { publicKey, presharedKey, endpoint, member } = facts;
  return {
    publicKey,
    presharedKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    allowedIps: member
      ? [member.ipv4, member.ipv6, memberLinkLocal(member.ipv6)].map(hostPrefix)
      : [],
    ...(facts.isKeptAlive ? { keepaliveSeconds: directKeepaliveSeconds } : {}),
  };
}

function planRoutes(owner: DirectOwner, { member, isRouted }: PlannedPeer): readonly RouteState[] {
  return member && isRouted ? hostRoutes(owner, member) : [];
}

/** To one other member, from the owner's own addresses. */
export function hostRoutes(
  owner: Pick<DirectOwner, 'ipv4' | 'ipv6' | 'routesIpv4'>,
  peer: { readonly ipv4: Address; readonly ipv6: Address },
): readonly RouteState[] {
  const ipv6 = { destination: hostPrefix(peer.ipv6), source: owner.ipv6 };
  if (!owner.routesIpv4) return [ipv6];
  return [{ destination: hostPrefix(peer.ipv4), source: owner.ipv4 }, ipv6];
}

/**
 * The states that the host has to go through, one after the other, from the one it is in to the
 * wanted one, which is the last. A host changes peers before routes, so a route goes in a step of
 * its own before the peer that it leads to; and whatever is to be put in anew is taken out first.
 */
export function planDirectSteps(
  before: readonly PlannedPeer[],
  wanted: readonly PlannedPeer[],
): readonly (readonly PlannedPeer[])[] {
  const next = new Map(wanted.map((peer) => [peer.publicKey, peer]));
  const stays = ({ publicKey, installation }: PlannedPeer) =>
    next.get(publicKey)?.installation === installation;
  const steps: (readonly PlannedPeer[])[] = [];
  if (before.some((peer) => peer.isRouted && !stays(peer))) {
    steps.push(before.map((peer) => (stays(peer) ? peer : { ...peer, isRouted: false })));
  }
  if (before.some((peer) => next.has(peer.publicKey) && !stays(peer))) {
    steps.push(before.filter(stays));
  }
  return [...steps, wanted];
}
