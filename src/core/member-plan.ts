import type {
  HostState,
  InterfaceState,
  PeerState,
  RouteState,
  SealingState,
  SourceState,
} from '../model/host-state.ts';
import {
  type Address,
  addressAt,
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
import {
  masterAddressIndex,
  masterLinkLocal,
  memberLinkLocal,
  sealedAddress,
} from './addressing.ts';
import { type DirectFacts, planDirectInterface } from './direct-plan.ts';
import {
  outerRoutes,
  planSealedInterface,
  type SealedFacts,
  sealedForm,
  sealedMtuBytes,
} from './sealed-plan.ts';

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
  /** Absent while masters may read what passes between members. */
  readonly sealed?: SealedFacts;
  /** It stays only for what runs over it: where the VPN has another one, nothing new begins here. */
  readonly isLeaving?: boolean;
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
 * on the one that is in use, one for all direct peers of a membership, and one for all its sealed
 * tunnels. A direct path goes before a sealed tunnel to the same member.
 *
 * What is sent from an address of this member always leaves by the membership that has the address,
 * since masters drop what comes from another's: where a VPN has several memberships, each has routes
 * of its own for that. For packets that have no address yet, one destination has one route, which
 * also says which address they get.
 *
 * @param memberships in their order, which decides on those: the first membership of a VPN carries
 *   all of the VPN's prefixes, and a further one the /64 of its own subset. The subset's IPv4 blocks
 *   are not known to members, so over a further membership nothing new begins in IPv4. One that is
 *   leaving comes after those that stay, and carries nothing.
 */
export function planMember(memberships: readonly MembershipFacts[]): HostState {
  const routedVpns = new Set<string>();
  const interfaces = memberships.flatMap((membership) => {
    const vpnId = membership.admission?.vpnId;
    const isFirst = vpnId === undefined || !routedVpns.has(vpnId);
    if (vpnId !== undefined) routedVpns.add(vpnId);
    const interfaces = planInterfaces(membership, isFirst);
    return membership.isLeaving && !isFirst ? interfaces.map(withoutRoutes) : interfaces;
  });
  const sources = planSources(memberships);
  const sealing = memberships.flatMap(planSealing);
  return {
    interfaces: withoutRepeatedRoutes(interfaces),
    ...(sources.length === 0 ? {} : { sources }),
    ...(sealing.length === 0 ? {} : { sealing }),
  };
}

function planInterfaces(membership: MembershipFacts, isFirst: boolean): readonly InterfaceState[] {
  return [
    ...membership.paths.map((path) => planInterface(membership, path, isFirst)),
    ...planDirect(membership, isFirst),
    ...planSealed(membership, isFirst),
  ];
}

function withoutRoutes(state: InterfaceState): InterfaceState {
  return { ...state, routes: [] };
}

/** The routes that each would have if it were alone, where it is not. */
function planSources(memberships: readonly MembershipFacts[]): readonly SourceState[] {
  const admitted = memberships.filter(({ admission }) => admission);
  const byVpn = Map.groupBy(admitted, ({ admission }) => admission?.vpnId);
  return [...byVpn.values()]
    .filter(({ length }) => length > 1)
    .flatMap((all) => all.map(planSource));
}

function planSource(membership: MembershipFacts): SourceState {
  const interfaces = withoutRepeatedRoutes(planInterfaces(membership, true));
  return {
    addresses: [...new Set(interfaces.flatMap(({ addresses }) => addresses))],
    routes: interfaces.flatMap(({ name: interfaceName, routes }) =>
      routes.map((route) => ({ ...route, interfaceName })),
    ),
  };
}

/** One destination has one route: that of the earlier membership, and a direct one before a sealed one. */
function withoutRepeatedRoutes(interfaces: readonly InterfaceState[]): readonly InterfaceState[] {
  const taken = new Set<Prefix>();
  return interfaces.map((state) => {
    const routes = state.routes.filter(({ destination }) => !taken.has(destination));
    for (const { destination } of routes) taken.add(destination);
    return routes.length === state.routes.length ? state : { ...state, routes };
  });
}

function planSealing({ paths, sealed }: MembershipFacts): readonly SealingState[] {
  if (!sealed) return [];
  const { interfaceName, isRequired } = sealed;
  const open = paths.map((path) => path.interfaceName);
  return [{ ...sealedForm, sealed: interfaceName, open, isRequired }];
}

function planInterface(
  { privateKey, admission, sealed }: MembershipFacts,
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
    addresses: [admission.ipv4, admission.ipv6, ...(sealed ? [sealedAddress(admission.ipv6)] : [])],
    linkLocal: memberLinkLocal(admission.ipv6),
    peers: master ? [planPeer(master, admission)] : [],
    routes:
      admission.using === name
        ? [
            ...(sealed?.isRequired ? gatewayRoutes(admission) : planRoutes(admission, isFirst)),
            ...(sealed ? outerRoutes(admission.ipv6, sealed) : []),
          ]
        : [],
  };
}

function planDirect(
  { privateKey, paths, admission, direct, sealed }: MembershipFacts,
  isFirst: boolean,
): readonly InterfaceState[] {
  if (!admission || !direct) return [];
  const { ipv4, ipv6 } = admission;
  const smallest = smallestMtuBytes(paths);
  const mtuBytes = sealed ? sealedMtuBytes(smallest) : smallest;
  return [planDirectInterface({ privateKey, ipv4, ipv6, mtuBytes, routesIpv4: isFirst }, direct)];
}

function planSealed(
  { privateKey, paths, admission, sealed }: MembershipFacts,
  isFirst: boolean,
): readonly InterfaceState[] {
  if (!admission || !sealed) return [];
  const { ipv4, ipv6, prefixes } = admission;
  const routes = planRoutes(admission, isFirst);
  const pathMtuBytes = smallestMtuBytes(paths);
  const owner = { privateKey, ipv4, ipv6, pathMtuBytes, routes, routesIpv4: isFirst };
  return [planSealedInterface(owner, sealed, prefixes)];
}

function smallestMtuBytes(paths: readonly PathFacts[]): number {
  return Math.min(...paths.map(({ mtuBytes }) => mtuBytes));
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

/** The own gateway itself is talked to, not through. */
function gatewayRoutes({ ipv6 }: AdmissionFacts): readonly RouteState[] {
  const gateway = addressAt(subsetBlockOf(ipv6), BigInt(masterAddressIndex));
  return [{ destination: hostPrefix(gateway), source: ipv6 }];
}

/** Every subset has one /64, and every member's address is in its subset's (DESIGN §6). */
function subsetBlockOf(ipv6: Address): Prefix {
  const { first } = prefixBits(hostPrefix(ipv6));
  return prefixFrom({ family: 6, first: (first >> 64n) << 64n, length: 64 });
}
