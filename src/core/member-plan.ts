import type { HostState, InterfaceState, PeerState, RouteState } from '../model/host-state.ts';
import {
  type Address,
  familyOf,
  hostPrefix,
  type Prefix,
  prefixBits,
  prefixFrom,
} from '../model/prefix.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';

/**
 * A NAT may forget a flow after 30 s (RFC 4787 §4.3 asks for two minutes, home routers do not
 * listen), and the master must be able to reach a member that is silent.
 */
export const memberKeepaliveSeconds = 25;

/** One membership, as far as its host is concerned. */
export interface MembershipFacts {
  /** Unique on the machine; one per membership and path class. */
  readonly interfaceName: string;
  readonly privateKey: WireguardPrivateKey;
  readonly mtuBytes: number;
  /** Absent until the master has answered the join: the interface is made in advance, empty. */
  readonly admission?: AdmissionFacts;
}

export interface AdmissionFacts {
  /** Tells memberships of one VPN from those of another. */
  readonly vpnId: string;
  readonly prefixes: readonly Prefix[];
  readonly ipv4: Address;
  readonly ipv6: Address;
  readonly acting: ActingMasterFacts;
}

/** The acting master, after its chain has been checked. */
export interface ActingMasterFacts {
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey;
  /** Numeric `address:port`; absent while its name cannot be resolved. */
  readonly endpoint?: string;
}

/**
 * What the host of a member must look like: one interface per membership, with the acting master
 * as its only peer.
 *
 * @param memberships in the order of joining, which decides routes: the first membership of a VPN
 *   carries all of the VPN's prefixes. A further one of the same VPN carries the /64 of its own
 *   subset only, because one destination has one route and moving the VPN's would break what runs
 *   over it. The subset's IPv4 blocks are not known to members, so over a further membership IPv4
 *   is received and not routed.
 */
export function planMember(memberships: readonly MembershipFacts[]): HostState {
  const routedVpns = new Set<string>();
  const interfaces = memberships.map((membership) => {
    const vpnId = membership.admission?.vpnId;
    const isFirst = vpnId === undefined || !routedVpns.has(vpnId);
    if (vpnId !== undefined) routedVpns.add(vpnId);
    return planInterface(membership, isFirst);
  });
  return { interfaces };
}

function planInterface(membership: MembershipFacts, isFirst: boolean): InterfaceState {
  const { admission } = membership;
  return {
    name: membership.interfaceName,
    privateKey: membership.privateKey,
    mtuBytes: membership.mtuBytes,
    addresses: admission ? [admission.ipv4, admission.ipv6] : [],
    peers: admission ? [planPeer(admission)] : [],
    routes: admission ? planRoutes(admission, isFirst) : [],
  };
}

function planPeer({ acting, prefixes }: AdmissionFacts): PeerState {
  return {
    publicKey: acting.publicKey,
    presharedKey: acting.presharedKey,
    ...(acting.endpoint === undefined ? {} : { endpoint: acting.endpoint }),
    allowedIps: prefixes,
    keepaliveSeconds: memberKeepaliveSeconds,
  };
}

function planRoutes(admission: AdmissionFacts, isFirst: boolean): readonly RouteState[] {
  const destinations = isFirst ? admission.prefixes : [subsetBlockOf(admission.ipv6)];
  return destinations.map((destination) => ({
    destination,
    source: familyOf(destination) === 4 ? admission.ipv4 : admission.ipv6,
  }));
}

/** Every subset has one /64, and every member's address is in its subset's (DESIGN §6). */
function subsetBlockOf(ipv6: Address): Prefix {
  const { first } = prefixBits(hostPrefix(ipv6));
  return prefixFrom({ family: 6, first: (first >> 64n) << 64n, length: 64 });
}
