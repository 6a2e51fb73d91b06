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
import { masterLinkLocal, memberLinkLocal } from './addressing.ts';
import { type DirectFacts, planDirectInterface } from './direct-plan.ts';

/**
 * A NAT may forget a flow after 30 s (RFC 4787 §4.3 asks for two minutes, home routers do not
 * listen), and the master must be able to reach a member that is silent.
 */
export const memberKeepaliveSeconds = 25;

/** One membership, as far as its host is concerned. */
export interface MembershipFacts {
  readonly privateKey: WireguardPrivateKey;
  /** Towards each of its masters, at least one. */
  readonly paths: readonly PathFacts[];
  /** Absent until the master has answered the join: the interface is made in advance, empty. */
  readonly admission?: AdmissionFacts;
  /** Absent until the member hears of others that it may talk to without its master. */
  readonly direct?: DirectFacts;
}

/** The tunnel to one master. It stays as it is, whether it is used or not, so that it is warm. */
export interface PathFacts {
  /** Unique on the machine. */
  readonly interfaceName: string;
  readonly mtuBytes: number;
  /** Absent until the master has answered the join. */
  readonly master?: PathMasterFacts;
}

/** A master, after its chain has been checked. */
export interface PathMasterFacts {
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey;
  /** Numeric `address:port`; absent while its name cannot be resolved. */
  readonly endpoint?: string;
}

export interface AdmissionFacts {
  /** Tells memberships of one VPN from those of another. */
  readonly vpnId: string;
  readonly prefixes: readonly Prefix[];
  readonly ipv4: Address;
  readonly ipv6: Address;
  /** The interface of the path in use. Only this moves when a master fails: the routes. */
  readonly using: string;
}

/**
 * What the host of a member must look like: one interface per membership and master, with the routes
 * on the one that is in use, and one for all direct peers of a membership.
 *
 * @param memberships in the order of joining, which decides routes: the first membership of a VPN
 *   carries all of the VPN's prefixes. A further one of the same VPN carries the /64 of its own
 *   subset only, because one destination has one route and moving the VPN's would break what runs
 *   over it. The subset's IPv4 blocks are not known to members, so over a further membership IPv4
 *   is received and not routed.
 */
export function planMember(memberships: readonly MembershipFacts[]): HostState {
  const routedVpns = new Set<string>();
  const interfaces = memberships.flatMap((membership) => {
    const vpnId = membership.admission?.vpnId;
    const isFirst = vpnId === undefined || !routedVpns.has(vpnId);
    if (vpnId !== undefined) routedVpns.add(vpnId);
    return [
      ...membership.paths.map((path) => planInterface(membership, path, isFirst)),
      ...planDirect(membership, isFirst),
    ];
  });
  return { interfaces };
}

function planInterface(
  { privateKey, admission }: MembershipFacts,
  path: PathFacts,
  isFirst: boolean,
): InterfaceState {
  const { interfaceName: name, mtuBytes, master } = path;
  if (!admission) return { name, privateKey, mtuBytes, addresses: [], peers: [], routes: [] };
  return {
    name,
    privateKey,
    mtuBytes,
    // On all of them, so that taking one path away leaves the addresses where they are.
    addresses: [admission.ipv4, admission.ipv6],
    linkLocal: memberLinkLocal(admission.ipv6),
    peers: master ? [planPeer(master, admission)] : [],
    routes: admission.using === name ? planRoutes(admission, isFirst) : [],
  };
}

function planDirect(
  { privateKey, paths, admission, direct }: MembershipFacts,
  isFirst: boolean,
): readonly InterfaceState[] {
  if (!admission || !direct) return [];
  const { ipv4, ipv6 } = admission;
  const mtuBytes = Math.min(...paths.map((path) => path.mtuBytes));
  return [planDirectInterface({ privateKey, ipv4, ipv6, mtuBytes, routesIpv4: isFirst }, direct)];
}

function planPeer(master: PathMasterFacts, { prefixes }: AdmissionFacts): PeerState {
  return {
    publicKey: master.publicKey,
    presharedKey: master.presharedKey,
    ...(master.endpoint === undefined ? {} : { endpoint: master.endpoint }),
    allowedIps: [...prefixes, hostPrefix(masterLinkLocal)],
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
