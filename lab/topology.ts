import { LabError } from './lab-error.ts';
import { type NatKind, natKinds } from './nat-rules.ts';

/** Sites round one core router, "the internet". Every site has a router, with hosts behind it. */
export interface Topology {
  readonly sites: readonly SiteSpec[];
  /** Providers whose own NAT is between the core and the NATs of their customers (RFC 6888). */
  readonly carriers?: readonly CarrierSpec[];
}

/** How a NAT behaves beyond its kind. */
export interface NatSpec {
  /**
   * Whether two hosts behind it reach each other by UDP to its outside address, as far as its kind
   * admits (RFC 4787 REQ-9). Default false: such packets vanish, as at many homes.
   */
  readonly hairpin?: boolean;
  /**
   * How long a UDP mapping outlives the last packet from inside; what comes from outside does not
   * prolong it (RFC 4787 REQ-6). Default 120, the least that REQ-5 allows.
   */
  readonly mappingSeconds?: number;
}

export interface CarrierSpec extends NatSpec {
  /** Names the carrier, its router and its uplink. */
  readonly name: string;
  readonly nat: Exclude<NatKind, 'none'>;
  /** From its router to the core. */
  readonly uplink?: LinkSpec;
}

export interface SiteSpec extends NatSpec {
  /** Names the site, its router and its uplink. */
  readonly name: string;
  /** Default `none`: the hosts have public addresses. */
  readonly nat?: NatKind;
  /** The carrier that the uplink leads to; absent where it leads to the core. Needs a `nat`. */
  readonly carrier?: string;
  /**
   * Whether the hosts have IPv6 addresses, which are public. Default: only where there is no NAT.
   * Behind a NAT they are shielded by a stateful filter, as home routers do (RFC 6092).
   */
  readonly ipv6?: boolean;
  /** A plain name stands for a host with an unlimited link to its router. */
  readonly hosts: readonly (string | HostSpec)[];
  /** From the router to the core, or to the carrier. */
  readonly uplink?: LinkSpec;
}

export interface HostSpec {
  /** Names the host and its link; unique in the lab, sites included. */
  readonly name: string;
  readonly link?: LinkSpec;
}

/** What a link does to the packets of each direction; what is absent is without limit or effect. */
export interface LinkShape {
  readonly rateMbit?: number;
  readonly delayMs?: number;
  /** Up to this much more or less than `delayMs`, evenly spread, without reordering. */
  readonly jitterMs?: number;
  readonly lossPercent?: number;
}

export interface LinkSpec extends LinkShape {
  /** Default 1,500. */
  readonly mtuBytes?: number;
  /**
   * Whether the link can ever delay or lose packets; implied by `delayMs`, `jitterMs` or
   * `lossPercent`, even of 0. It costs throughput where the kernel has no netem, so it is declared.
   */
  readonly delayable?: boolean;
}

/** The node that joins all sites. */
export const coreName = 'internet';

/** Addresses number sites and hosts by one byte, and the first ten of a network are its routers'. */
const mostSites = 240;
const mostHostsOfASite = 240;
const nodeName = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

export const hostSpecOf = (host: string | HostSpec): HostSpec =>
  typeof host === 'string' ? { name: host } : host;

export const isDelayable = (link: LinkSpec): boolean =>
  link.delayable ??
  (link.delayMs !== undefined || link.jitterMs !== undefined || link.lossPercent !== undefined);

/** Refuses what could not be built. @throws LabError `invalid-topology` */
export function validateTopology({ sites, carriers = [] }: Topology): void {
  const seen = new Set<string>([coreName]);
  if (sites.length + carriers.length > mostSites) {
    refuse(`a lab has at most ${mostSites} sites and carriers`);
  }
  for (const carrier of carriers) {
    claimName(seen, carrier.name);
    validateNat(carrier);
    validateLink(carrier.name, carrier.uplink ?? {});
  }
  for (const site of sites) validateSite(site, seen, carriers);
}

function validateSite(site: SiteSpec, seen: Set<string>, carriers: readonly CarrierSpec[]): void {
  claimName(seen, site.name);
  validateNat(site);
  validateCarrier(site, carriers);
  validateLink(site.name, site.uplink ?? {});
  if (site.hosts.length > mostHostsOfASite) {
    refuse(`site ${site.name} has more than ${mostHostsOfASite} hosts`, site.name);
  }
  for (const host of site.hosts.map(hostSpecOf)) {
    claimName(seen, host.name);
    validateLink(host.name, host.link ?? {});
  }
}

function validateNat({
  name,
  nat = 'none',
  hairpin,
  mappingSeconds,
}: SiteSpec | CarrierSpec): void {
  if (!natKinds.includes(nat)) refuse(`${name}: nat must be one of ${natKinds.join(', ')}`, name);
  if (nat === 'none' && (hairpin !== undefined || mappingSeconds !== undefined)) {
    refuse(`${name} has no NAT, so neither hairpin nor mappingSeconds can be set`, name);
  }
  if (mappingSeconds !== undefined && !(Number.isInteger(mappingSeconds) && mappingSeconds > 0)) {
    refuse(`${name}: mappingSeconds must be a whole number above 0`, name);
  }
}

function validateCarrier({ name, nat, carrier }: SiteSpec, carriers: readonly CarrierSpec[]): void {
  if (carrier === undefined) return;
  if (!carriers.some((known) => known.name === carrier)) {
    refuse(`site ${name} names a carrier ${carrier}, which the topology does not have`, name);
  }
  if ((nat ?? 'none') === 'none') {
    refuse(`site ${name} is behind a carrier, which routes no LAN: give it a nat`, name);
  }
}

function claimName(seen: Set<string>, name: string): void {
  if (!nodeName.test(name)) {
    refuse(
      `"${name}" is not a node name: use 1 to 32 lower-case letters, digits and hyphens`,
      name,
    );
  }
  if (seen.has(name)) refuse(`two nodes are called ${name}`, name);
  seen.add(name);
}

/** Refuses a shape that no link can have. @throws LabError `invalid-topology` */
export function validateLink(name: string, link: LinkSpec): void {
  const { rateMbit = 1, delayMs = 0, jitterMs = 0, lossPercent = 0, mtuBytes = 1_500 } = link;
  if (!(rateMbit > 0)) refuse(`link ${name}: rateMbit must be above 0`, name);
  if (!(delayMs >= 0 && jitterMs >= 0 && jitterMs <= delayMs)) {
    refuse(`link ${name}: delayMs must be at least jitterMs, and both at least 0`, name);
  }
  if (!(lossPercent >= 0 && lossPercent <= 100)) {
    refuse(`link ${name}: lossPercent must be 0 to 100`, name);
  }
  // IPv6 is switched off on a device with a smaller MTU (RFC 8200 §5).
  if (!(mtuBytes >= 1_280 && mtuBytes <= 65_535)) {
    refuse(`link ${name}: mtuBytes must be 1280 to 65535`, name);
  }
}

function refuse(message: string, name?: string): never {
  throw new LabError(message, { code: 'invalid-topology', fields: name ? { name } : {} });
}
