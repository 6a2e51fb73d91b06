import { formatSocketAddress } from '../model/endpoint.ts';
import type { HostState, InterfaceState, PeerState, RouteState } from '../model/host-state.ts';
import type { MasterName } from '../model/names.ts';
import { type Address, familyOf, hostPrefix, type Prefix, parseAddress } from '../model/prefix.ts';
import type { MasterRecord, SubsetRecord, VpnRecord } from '../model/records/directory.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';
import {
  addressesAt,
  backboneLinkLocal,
  masterAddressIndex,
  masterLinkLocal,
} from './addressing.ts';
import type { BlockRoute } from './block-routes.ts';
import { sealedForm } from './sealed-plan.ts';

/** Another master, checked against the root. */
export interface BackboneNeighbour {
  readonly record: MasterRecord;
  readonly address: Address;
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey;
  /** Bytes of the tunnel to it. */
  readonly mtuBytes: number;
}

export interface GatewayFacts {
  readonly vpn: VpnRecord;
  readonly self: MasterRecord;
  readonly keys: { readonly members: WireguardPrivateKey; readonly backbone: WireguardPrivateKey };
  readonly interfaceNames: {
    readonly members: string;
    readonly rendezvous: string;
    backbone(master: MasterName): string;
  };
  /** Every subset of the directory. */
  readonly subsets: readonly SubsetRecord[];
  /** The subsets that this master acts for now: it has their gateways' addresses. */
  readonly acting: ReadonlySet<string>;
  /** The subsets whose members have tunnels to this master: those, and those that it backs up. */
  readonly served: ReadonlySet<string>;
  /** Those of the served ones whose rolls are not known yet: their members' tunnels stay as they were found. */
  readonly unread: ReadonlySet<string>;
  /** One per active member of the other served subsets. */
  readonly memberPeers: readonly PeerState[];
  /** One per member that is about to be introduced to others: their direct interfaces. */
  readonly rendezvousPeers: readonly PeerState[];
  /** Each destination once; see `planBlockRoutes`. */
  readonly routes: readonly BlockRoute[];
  /** Whether members have all that passes between them sealed from end to end. */
  readonly onlySealed: boolean;
  /** Whether members of different masters may have direct paths. */
  readonly notesDistant: boolean;
  readonly membersMtuBytes: number;
  readonly neighbours: readonly BackboneNeighbour[];
}

/** Keeps mappings of NATs and stateful firewalls between two masters alive (WireGuard's own advice). */
const backboneKeepaliveSeconds = 25;

/**
 * What a master's host must look like: one interface towards its members, one where they
 * show their direct interfaces, one towards each other master, block routes over them, and the filter between them. Nothing here is proportional to the
 * members of other masters.
 */
export function planGateway(facts: GatewayFacts): HostState {
  const served = facts.subsets.filter(({ name }) => facts.served.has(name));
  const addresses = facts.subsets
    .filter(({ name }) => facts.acting.has(name))
    .flatMap(masterAddresses);
  return {
    interfaces: [
      membersInterface(facts, addresses),
      ...facts.neighbours.map((neighbour) => backboneInterface(facts, neighbour, addresses)),
      rendezvousInterface(facts),
    ],
    gateway: {
      prefixes: vpnPrefixes(facts.vpn),
      members: [{ name: facts.interfaceNames.members, sources: served.flatMap(blocksOf) }],
      backbone: facts.neighbours.map(({ record }) => ({
        name: facts.interfaceNames.backbone(record.name),
        refused: served.filter((subset) => !servedBy(subset, record.name)).flatMap(blocksOf),
      })),
      notesDistant: facts.notesDistant,
      ...(facts.onlySealed ? { onlySealed: sealedForm } : {}),
    },
  };
}

/** What is inside the VPN; nothing else ever enters or leaves it. */
export function vpnPrefixes(vpn: VpnRecord): readonly Prefix[] {
  return [vpn.ipv4, vpn.ipv6];
}

export function blocksOf({ ipv4Blocks, ipv6Block }: SubsetRecord): readonly Prefix[] {
  return [...ipv4Blocks, ipv6Block];
}

/** The UDP port on which `to` expects `from`: every pair of masters has an interface of its own. */
export function backbonePort(to: MasterRecord, from: MasterRecord): number {
  return to.wireguard.backboneBasePort + from.index;
}

/**
 * The UDP port at which members' direct interfaces show where they can be reached: the one that no
 * master's index makes a port of the backbone.
 */
export function rendezvousPort({ wireguard }: MasterRecord): number {
  return wireguard.backboneBasePort;
}

/**
 * On all interfaces of every master, for ever: Linux lets go of an interface's IPv4 routes together
 * with its last IPv4 address, and a master that acts for nothing has no other. RFC 7600 has set it
 * aside for nodes that forward IPv4 without an address of their own.
 */
const dummyIpv4 = parseAddress('192.0.0.8');

/** Whether the subset's members may be using that master. */
export function servedBy({ acting, backups }: SubsetRecord, master: MasterName): boolean {
  return acting === master || backups.includes(master);
}

function masterAddresses(subset: SubsetRecord): readonly Address[] {
  const { ipv4, ipv6 } = addressesAt(subset, masterAddressIndex);
  return [ipv4, ipv6];
}

function membersInterface(facts: GatewayFacts, addresses: readonly Address[]): InterfaceState {
  const unread = facts.subsets.filter(({ name }) => facts.unread.has(name));
  return {
    name: facts.interfaceNames.members,
    privateKey: facts.keys.members,
    listenPort: facts.self.wireguard.membersPort,
    mtuBytes: facts.membersMtuBytes,
    addresses: [...addresses, dummyIpv4],
    linkLocal: masterLinkLocal,
    peers: facts.memberPeers,
    ...(unread.length === 0 ? {} : { unknownWithin: unread.flatMap(blocksOf) }),
    routes: routesVia(facts, 'members', addresses),
  };
}

/** Nothing is carried by it: its peers may send nothing from anywhere. */
function rendezvousInterface(facts: GatewayFacts): InterfaceState {
  return {
    name: facts.interfaceNames.rendezvous,
    privateKey: facts.keys.members,
    listenPort: rendezvousPort(facts.self),
    mtuBytes: facts.membersMtuBytes,
    addresses: [],
    peers: facts.rendezvousPeers,
    routes: [],
  };
}

/**
 * One peer, which may carry the whole VPN: what changes when a subset changes hands are routes,
 * never allowed IPs, which would lose packets (DESIGN §6). Sources are the filter's business.
 */
function backboneInterface(
  facts: GatewayFacts,
  neighbour: BackboneNeighbour,
  addresses: readonly Address[],
): InterfaceState {
  const { record, address, publicKey, presharedKey } = neighbour;
  return {
    name: facts.interfaceNames.backbone(record.name),
    privateKey: facts.keys.backbone,
    listenPort: backbonePort(facts.self, record),
    mtuBytes: neighbour.mtuBytes,
    // The same addresses as towards members, so that errors about packets come from inside the VPN.
    addresses: [...addresses, dummyIpv4],
    linkLocal: backboneLinkLocal(facts.self.index),
    peers: [
      {
        publicKey,
        presharedKey,
        endpoint: formatSocketAddress(address, backbonePort(record, facts.self)),
        allowedIps: [...vpnPrefixes(facts.vpn), hostPrefix(backboneLinkLocal(record.index))],
        keepaliveSeconds: backboneKeepaliveSeconds,
      },
    ],
    routes: routesVia(facts, record.name, addresses),
  };
}

function routesVia(
  { routes }: GatewayFacts,
  via: BlockRoute['via'],
  addresses: readonly Address[],
): readonly RouteState[] {
  return routes
    .filter((route) => route.via === via)
    .map(({ destination }) => {
      const source = addresses.find((address) => familyOf(address) === familyOf(destination));
      return source ? { destination, source } : { destination };
    });
}
