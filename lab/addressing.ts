/*
 * The lab's address plan. All public ranges are reserved for tests and documentation, so nothing
 * here can be mistaken for a real network: 198.18.0.0/15 (RFC 2544), 2001:db8::/32 (RFC 3849).
 *
 * uplink of site n    198.18.n.0/30    2001:db8:0:n::/64    core .1, router .2
 * LAN of site n       198.19.n.0/24    2001:db8:n::/64      router .1, hosts from .11
 * LAN behind a NAT    192.168.n.0/24   the same, if it has IPv6
 * customers of n      100.64.n.0/24    2001:db8:n::/64      carrier .1, routers from .11
 *
 * Carriers are numbered after the sites. 100.64.0.0/10 is what carriers use (RFC 6598).
 */

/** An address in its network. */
export interface LabAddress {
  readonly ip: string;
  readonly network: string;
  readonly prefixLength: number;
}

/** One node's addresses on one device. */
export interface LabAddresses {
  readonly ipv4: LabAddress;
  readonly ipv6?: LabAddress;
}

export interface UplinkAddresses {
  readonly core: Required<LabAddresses>;
  readonly router: Required<LabAddresses>;
}

/** @param site 1, 2, 3, … in the order of the topology */
export function uplinkAddresses(site: number): UplinkAddresses {
  const end = (place: number): Required<LabAddresses> => ({
    ipv4: { ip: `198.18.${site}.${place}`, network: `198.18.${site}.0`, prefixLength: 30 },
    ipv6: ipv6Address(`2001:db8:0:${site.toString(16)}`, place),
  });
  return { core: end(1), router: end(2) };
}

export interface LanOptions {
  readonly realm: AddressRealm;
  readonly ipv6: boolean;
}

/** Private addresses are those behind a NAT. */
export type AddressRealm = 'public' | 'private';

const lanPrefixes: Record<AddressRealm, string> = { public: '198.19', private: '192.168' };

/** @param place 1 for the router, `hostPlace(n)` for the hosts or customers */
export function lanAddresses(site: number, place: number, options: LanOptions): LabAddresses {
  const ipv4 = ipv4Address(`${lanPrefixes[options.realm]}.${site}`, place);
  return options.ipv6
    ? { ipv4, ipv6: ipv6Address(`2001:db8:${site.toString(16)}`, place) }
    : { ipv4 };
}

/** Of the network between a carrier and its customers. @param place as in a LAN */
export function carrierAddresses(carrier: number, place: number): Required<LabAddresses> {
  return {
    ipv4: ipv4Address(`100.64.${carrier}`, place),
    ipv6: ipv6Address(`2001:db8:${carrier.toString(16)}`, place),
  };
}

/**
 * Other addresses of a network that has already been planned.
 * @param lan any node's addresses in it
 */
export function siblingAddresses(lan: LabAddresses, place: number): LabAddresses {
  const ipv4 = ipv4Address(lan.ipv4.network.replace(/\.0$/, ''), place);
  return lan.ipv6
    ? { ipv4, ipv6: ipv6Address(lan.ipv6.network.replace(/::$/, ''), place) }
    : { ipv4 };
}

export const routerPlace = 1;
/** @param host 0, 1, 2, … in the order of the site */
export const hostPlace = (host: number): number => 11 + host;

/** The link address of whoever has this IPv4 address; locally administered (IEEE 802 §8.4). */
export function macOf({ ip }: LabAddress): string {
  const bytes = ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return ['02', '00', ...bytes].join(':');
}

function ipv4Address(network: string, place: number): LabAddress {
  return { ip: `${network}.${place}`, network: `${network}.0`, prefixLength: 24 };
}

function ipv6Address(network: string, place: number): LabAddress {
  return { ip: `${network}::${place.toString(16)}`, network: `${network}::`, prefixLength: 64 };
}
