import {
  hostPlace,
  type LabAddress,
  type LabAddresses,
  lanAddresses,
  routerPlace,
} from './addressing.ts';
import type { NatKind } from './nat-rules.ts';
import { hostDevice, type LabPlan, type LinkPlan, type NodePlan } from './plan.ts';
import { behind, planLink, planNat, planUplink, type UplinkPlan } from './plan-router.ts';
import { type HostSpec, hostSpecOf, type SiteSpec } from './topology.ts';

/** What the parts of a site need to know of it. */
export interface SiteFacts {
  readonly number: number;
  readonly name: string;
  readonly nat: NatKind;
  readonly ipv6: boolean;
  readonly spec: SiteSpec;
}

interface HostPlan {
  readonly node: NodePlan & { readonly addresses: LabAddresses };
  readonly link: LinkPlan;
}

export function siteFacts(spec: SiteSpec, number: number): SiteFacts {
  const { name, nat = 'none' } = spec;
  return { number, name, nat, ipv6: spec.ipv6 ?? nat === 'none', spec };
}

/**
 * The networks of the site that others have routes to. There is none to private addresses, so a NAT
 * that fails to translate is noticed.
 */
export function reachableNetworks(site: SiteFacts): LabAddress[] {
  const lan = lanOf(site, routerPlace);
  return [...(site.nat === 'none' ? [lan.ipv4] : []), ...(lan.ipv6 ? [lan.ipv6] : [])];
}

export function planSite(site: SiteFacts, uplink: UplinkPlan): LabPlan {
  const { name, nat, spec } = site;
  const hosts = spec.hosts.map((host, index) => planHost(site, hostSpecOf(host), index));
  const router: NodePlan = {
    name,
    kind: 'router',
    addresses: uplink.addresses,
    lan: {
      addresses: lanOf(site, routerPlace),
      neighbours: hosts.map(({ node }) => node.addresses),
      routes: [],
    },
    ...planNat(nat, spec, { outside: uplink.addresses, shieldsIpv6: true }),
  };
  return {
    nodes: [router, ...hosts.map(({ node }) => node)],
    links: [planUplink(name, spec.uplink ?? {}, uplink), ...hosts.map(({ link }) => link)],
  };
}

function planHost(site: SiteFacts, spec: HostSpec, index: number): HostPlan {
  const addresses = lanOf(site, hostPlace(index));
  const attachment = behind(lanOf(site, routerPlace), addresses);
  return {
    node: { name: spec.name, kind: 'host', addresses },
    link: {
      ...planLink(spec.name, spec.link ?? {}),
      upper: { node: site.name, device: `port${index + 1}` },
      lower: { node: spec.name, device: hostDevice, attachment },
    },
  };
}

function lanOf(site: SiteFacts, place: number): LabAddresses {
  const realm = site.nat === 'none' ? 'public' : 'private';
  return lanAddresses(site.number, place, { realm, ipv6: site.ipv6 });
}
