/**
 * How a router hides the hosts behind it, in the order in which it gets harder to reach them. All but
 * `symmetric` give a socket one outside port for all destinations (RFC 4787 §4.1), its own number if
 * that is free; they differ in who may send to it (§5).
 *
 * - `none`: routes, and the hosts have public addresses.
 * - `full-cone`: anybody (endpoint-independent filtering).
 * - `address-restricted`: whoever was written to, from any port (address-dependent filtering).
 * - `port-restricted`: only the very endpoints written to, as at most homes
 *   (address-and-port-dependent filtering).
 * - `symmetric`: filters as that, and every destination sees another port, so what one of them
 *   reports helps no other (address-and-port-dependent mapping).
 */
export type NatKind = (typeof natKinds)[number];

export const natKinds = [
  'none',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'symmetric',
] as const;

export interface NatPlan {
  readonly kind: Exclude<NatKind, 'none'>;
  readonly uplinkDevice: string;
  readonly lanDevice: string;
  /** The IPv4 address of the uplink, behind which the hosts hide. */
  readonly outsideAddress: string;
  readonly hairpin: boolean;
  readonly mappingSeconds: number;
  /** Whether hosts with IPv6, which nothing translates, are answered only (RFC 6092). */
  readonly shieldsIpv6: boolean;
}

/** How much of (outside port, remote address, remote port) must have been written from and to. */
const filteringDepth: Record<NatPlan['kind'], number> = {
  'full-cone': 1,
  'address-restricted': 2,
  'port-restricted': 3,
  symmetric: 3,
};

/** Of conntrack's two tuples of a connection. */
type Direction = 'original' | 'reply';

/**
 * The nftables rules of a NAT; they replace those that it has, mappings included.
 *
 * The kernel's own NAT lets no others in, lets hosts share an outside port, and remembers unsolicited
 * packets, which then keeps the port from the host they were for. So sets hold the mappings of UDP and
 * whom they admit, written by what goes out only, and conntrack never sees what they do not admit.
 * TCP and ICMP are left to the kernel.
 *
 * @param zone conntrack remembers each zone apart, so another number forgets all that it knows
 */
export function renderNatRules(nat: NatPlan, zone: number): string {
  // Naming a table makes it, so that deleting it cannot fail.
  return `table ip nat
delete table ip nat
table ip nat {
${renderSets(nat)}
${renderEntry(nat)}
${renderTranslation(nat)}
${renderRecord(nat)}
${renderExit(nat)}
}
table inet shield
delete table inet shield
table inet shield {
${renderZone(zone)}
${renderShield(nat)}
}
`;
}

function renderSets({ kind, mappingSeconds }: NatPlan): string {
  const options = `flags dynamic, timeout; timeout ${mappingSeconds}s; size 65535`;
  return `  map outside_port { type ipv4_addr . inet_service : inet_service; ${options}; }
  map inside_endpoint { type inet_service : ipv4_addr . inet_service; ${options}; }
  set admitted { type ${keyOf(kind, 'inet_service', 'ipv4_addr', 'inet_service')}; ${options}; }`;
}

/** Before conntrack: what is not admitted vanishes, and hairpins do where there are none. */
function renderEntry({ kind, uplinkDevice, lanDevice, outsideAddress, hairpin }: NatPlan): string {
  const admission = keyOf(kind, 'udp dport', 'ip saddr', 'udp sport');
  const hairpins = hairpin ? 'udp dport != @inside_endpoint' : 'meta l4proto udp';
  return `  chain entry {
    type filter hook prerouting priority raw
    iifname "${uplinkDevice}" ${admission} != @admitted drop
    iifname "${lanDevice}" ip daddr ${outsideAddress} ${hairpins} drop
  }
  chain inwards {
    type nat hook prerouting priority dstnat
    ip daddr ${outsideAddress} dnat to udp dport map @inside_endpoint
  }`;
}

/** The kernel keeps the port of a new mapping where it may; a port that is another's it must not. */
function renderTranslation(nat: NatPlan): string {
  const snat = `snat to ${nat.outsideAddress}`;
  const endpointIndependent = `meta l4proto udp ${snat} : ip saddr . udp sport map @outside_port
    udp sport @inside_endpoint ${snat} random
    ${snat}`;
  return `  chain outwards {
    ${nat.kind === 'symmetric' ? `${snat} fully-random` : endpointIndependent}
  }
  chain translation {
    type nat hook postrouting priority srcnat
    oifname "${nat.uplinkDevice}" goto outwards
    ${renderHairpin(nat)} goto outwards
  }`;
}

/** What a host sends makes and keeps its mapping, also where it answers what the mapping let in. */
function renderRecord({ kind }: NatPlan): string {
  const rulesOf = (direction: Direction, opposite: Direction): string => {
    const inside = `ct ${direction} ip saddr . ct ${direction} proto-src`;
    const port = `ct ${opposite} proto-dst`;
    const remote = [`ct ${direction} ip daddr`, `ct ${direction} proto-dst`] as const;
    const update = `meta l4proto udp ct direction ${direction} update`;
    return `    ${update} @outside_port { ${inside} : ${port} }
    ${update} @inside_endpoint { ${port} : ${inside} }
    ${update} @admitted { ${keyOf(kind, port, ...remote)} }`;
  };
  return `  chain record {
${rulesOf('original', 'reply')}
${rulesOf('reply', 'original')}
  }`;
}

/** Once ports are chosen. Hairpins must be admitted too, and only here is known from which port. */
function renderExit(nat: NatPlan): string {
  const sender = ['ct original ip daddr', 'ct reply proto-dst'] as const;
  const admission = keyOf(nat.kind, 'ct original proto-dst', ...sender);
  const hairpin = renderHairpin(nat);
  return `  chain exit {
    type filter hook postrouting priority srcnat + 1
    oifname "${nat.uplinkDevice}" goto record
    ${hairpin} jump record
    ${hairpin} meta l4proto udp ct direction original ${admission} != @admitted drop
  }`;
}

/** Nothing else comes from the LAN to leave by it, as its bridge keeps what its hosts say directly. */
const renderHairpin = ({ lanDevice }: NatPlan): string =>
  `iifname "${lanDevice}" oifname "${lanDevice}"`;

/** For both families, because a router that forgets forgets both. */
function renderZone(zone: number): string {
  return `  chain arriving {
    type filter hook prerouting priority raw
    ct zone set ${zone}
  }
  chain own {
    type filter hook output priority raw
    ct zone set ${zone}
  }`;
}

function renderShield({ uplinkDevice, shieldsIpv6 }: NatPlan): string {
  const shielded = `iifname "${uplinkDevice}"${shieldsIpv6 ? '' : ' meta nfproto ipv4'}`;
  return `  chain forward {
    type filter hook forward priority filter
    ${shielded} ct state established,related accept
    ${shielded} ct status dnat accept
    ${shielded} drop
  }`;
}

/** The parts of a key that the kind of NAT looks at. */
function keyOf(kind: NatPlan['kind'], ...parts: readonly [string, string, string]): string {
  return parts.slice(0, filteringDepth[kind]).join(' . ');
}
