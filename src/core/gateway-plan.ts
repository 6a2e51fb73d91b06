import type { HostState, InterfaceState, PeerState, RouteState } from '../model/host-state.ts';
import type { MasterName } from '../model/names.ts';
import { type Address, familyOf, type Prefix } from '../model/prefix.ts';
import type { MasterRecord, SubsetRecord, VpnRecord } from '../model/records.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../model/wireguard-key.ts';
import { addressesAt, masterAddressIndex } from './addressing.ts';

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
  readonly interfaceNames: { readonly members: string; backbone(master: MasterName): string };
  /** Every subset of the directory. */
  readonly subsets: readonly SubsetRecord[];
  /** The subsets that this master acts for now. */
  readonly acting: ReadonlySet<string>;
  /** One per active member of those. */
  readonly memberPeers: readonly PeerState[];
  readonly membersMtuBytes: number;
  readonly neighbours: readonly BackboneNeighbour[];
}

/** Keeps mappings of NATs and stateful firewalls between two masters alive (WireGuard's own advice). */
const backboneKeepaliveSeconds = 25;

/**
 * What a master's host must look like: one interface towards its members, one towards each other
 * master, block routes over them, and the filter between them. Nothing here is proportional to the
 * members of other masters.
 */
export function planGateway(facts: GatewayFacts): HostState {
  const own = facts.subsets.filter(({ name }) => facts.acting.has(name));
  const addresses = own.flatMap(masterAddresses);
  return {
    interfaces: [
      membersInterface(facts, own, addresses),
      ...facts.neighbours.map((neighbour) => backboneInterface(facts, neighbour, addresses)),
    ],
    gateway: {
      prefixes: vpnPrefixes(facts.vpn),
      members: [{ name: facts.interfaceNames.members, sources: own.flatMap(blocksOf) }],
      backbone: facts.neighbours.map(({ record }) => facts.interfaceNames.backbone(record.name)),
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

function masterAddresses(subset: SubsetRecord): readonly Address[] {
  const { ipv4, ipv6 } = addressesAt(subset, masterAddressIndex);
  return [ipv4, ipv6];
}

function membersInterface(
  facts: GatewayFacts,
  own: readonly SubsetRecord[],
  addresses: readonly Address[],
): InterfaceState {
  return {
    name: facts.interfaceNames.members,
    privateKey: facts.keys.members,
    listenPort: facts.self.wireguard.membersPort,
    mtuBytes: facts.membersMtuBytes,
    addresses,
    peers: facts.memberPeers,
    routes: own.flatMap(blockRoutes(addresses)),
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
  const theirs = facts.subsets.filter(
    ({ name, acting }) => acting === record.name && !facts.acting.has(name),
  );
  return {
    name: facts.interfaceNames.backbone(record.name),
    privateKey: facts.keys.backbone,
    listenPort: backbonePort(facts.self, record),
    mtuBytes: neighbour.mtuBytes,
    // The same addresses as towards members, so that errors about packets come from inside the VPN.
    addresses,
    peers: [
      {
        publicKey,
        presharedKey,
        endpoint: formatEndpoint(address, backbonePort(record, facts.self)),
        allowedIps: vpnPrefixes(facts.vpn),
        keepaliveSeconds: backboneKeepaliveSeconds,
      },
    ],
    routes: theirs.flatMap(blockRoutes(addresses)),
  };
}

/** As WireGuard wants it: IPv6 in brackets. */
function formatEndpoint(address: Address, port: number): string {
  return familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

function blockRoutes(
  addresses: readonly Address[],
): (subset: SubsetRecord) => readonly RouteState[] {
  return (subset) =>
    blocksOf(subset).map((destination) => {
      const source = addresses.find((address) => familyOf(address) === familyOf(destination));
      return source ? { destination, source } : { destination };
    });
}
