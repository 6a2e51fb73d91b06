import {
  hostPlace,
  type LabAddress,
  type LabAddresses,
  lanAddresses,
  routerPlace,
  uplinkAddresses,
} from './addressing.ts';
import { type NatKind, renderNatRules } from './nat-rules.ts';
import {
  coreName,
  type HostSpec,
  hostSpecOf,
  isDelayable,
  type LinkShape,
  type LinkSpec,
  type SiteSpec,
  type Topology,
  validateTopology,
} from './topology.ts';

/** Everything that is to be built; names of namespaces are not in it, because labs differ in them. */
export interface LabPlan {
  readonly nodes: readonly NodePlan[];
  readonly links: readonly LinkPlan[];
}

export type NodeKind = 'core' | 'router' | 'host';

export interface NodePlan {
  readonly name: string;
  readonly kind: NodeKind;
  /** Under which others reach it: a router's are those of its uplink. The core has none. */
  readonly addresses: Partial<LabAddresses>;
  /** A router's LAN: a bridge whose ports are the upper ends of its hosts' links. */
  readonly lan?: Attachment;
  readonly nftRules: string;
}

/** Every node but the core has exactly one link towards the core, and the link has its name. */
export interface LinkPlan {
  readonly name: string;
  readonly mtuBytes: number;
  readonly delayable: boolean;
  readonly shape: LinkShape;
  /** The end nearer to the core. */
  readonly upper: LinkEnd;
  readonly lower: LinkEnd;
}

export interface LinkEnd {
  readonly node: string;
  /** Unique in its node. */
  readonly device: string;
  /** Absent at the port of a bridge. */
  readonly attachment?: Attachment;
}

/** How a node is part of a network. */
export interface Attachment {
  readonly addresses: LabAddresses;
  /**
   * Whose link addresses it knows in advance. The links to gateways need no ARP, which would add a
   * round trip to the first packet and a second of silence to each lost question, as no path of the
   * real Internet does.
   */
  readonly neighbours: readonly LabAddresses[];
  readonly routes: readonly RoutePlan[];
}

export interface RoutePlan {
  readonly destination: string;
  readonly via: string;
}

export const lanDevice = 'lan';
const uplinkDevice = 'uplink';
export const hostDevice = 'eth0';
const defaultMtuBytes = 1_500;

/** Numbers and names everything. The same topology gives the same plan. @throws LabError */
export function planTopology(topology: Topology): LabPlan {
  validateTopology(topology);
  const core: NodePlan = { name: coreName, kind: 'core', addresses: {}, nftRules: '' };
  const sites = topology.sites.map((site, index) => planSite(site, index + 1));
  return {
    nodes: [core, ...sites.flatMap(({ nodes }) => nodes)],
    links: sites.flatMap(({ links }) => links),
  };
}

/** What the parts of a site need to know of it. */
interface SiteFacts {
  readonly number: number;
  readonly name: string;
  readonly nat: NatKind;
  readonly ipv6: boolean;
}

interface HostPlan {
  readonly node: NodePlan & { readonly addresses: LabAddresses };
  readonly link: LinkPlan;
}

function planSite(spec: SiteSpec, number: number): LabPlan {
  const nat = spec.nat ?? 'none';
  const site: SiteFacts = { number, name: spec.name, nat, ipv6: spec.ipv6 ?? nat === 'none' };
  const hosts = spec.hosts.map((host, index) => planHost(site, hostSpecOf(host), index));
  const router: NodePlan = {
    name: site.name,
    kind: 'router',
    addresses: uplinkAddresses(number).router,
    lan: {
      addresses: lanOf(site, routerPlace),
      neighbours: hosts.map(({ node }) => node.addresses),
      routes: [],
    },
    nftRules: renderNatRules(nat, uplinkDevice),
  };
  return {
    nodes: [router, ...hosts.map(({ node }) => node)],
    links: [planUplink(site, spec.uplink ?? {}), ...hosts.map(({ link }) => link)],
  };
}

function planUplink(site: SiteFacts, spec: LinkSpec): LinkPlan {
  const { core, router } = uplinkAddresses(site.number);
  const lan = lanOf(site, routerPlace);
  // The internet has no route to private addresses, so a NAT that fails to translate is noticed.
  const reachable = [...(site.nat === 'none' ? [lan.ipv4] : []), ...(lan.ipv6 ? [lan.ipv6] : [])];
  return {
    ...commonOf(site.name, spec),
    upper: {
      node: coreName,
      device: `site${site.number}`,
      attachment: {
        addresses: core,
        neighbours: [router],
        routes: reachable.map((network) => ({
          destination: prefixOf(network),
          via: network === lan.ipv6 ? router.ipv6.ip : router.ipv4.ip,
        })),
      },
    },
    lower: { node: site.name, device: uplinkDevice, attachment: behind(core, router) },
  };
}

function planHost(site: SiteFacts, spec: HostSpec, index: number): HostPlan {
  const addresses = lanOf(site, hostPlace(index));
  return {
    node: { name: spec.name, kind: 'host', addresses, nftRules: '' },
    link: {
      ...commonOf(spec.name, spec.link ?? {}),
      upper: { node: site.name, device: `port${index + 1}` },
      lower: {
        node: spec.name,
        device: hostDevice,
        attachment: behind(lanOf(site, routerPlace), addresses),
      },
    },
  };
}

function commonOf(name: string, spec: LinkSpec): Omit<LinkPlan, 'upper' | 'lower'> {
  const { mtuBytes = defaultMtuBytes, delayable: _, ...shape } = spec;
  return { name, mtuBytes, delayable: isDelayable(spec), shape };
}

function lanOf(site: SiteFacts, place: number): LabAddresses {
  return lanAddresses(site.number, place, { behindNat: site.nat !== 'none', ipv6: site.ipv6 });
}

/** Reaches everything by way of the gateway. */
function behind(gateway: LabAddresses, addresses: LabAddresses): Attachment {
  const ipv4 = { destination: '0.0.0.0/0', via: gateway.ipv4.ip };
  const ipv6 = gateway.ipv6 ? [{ destination: '::/0', via: gateway.ipv6.ip }] : [];
  return { addresses, neighbours: [gateway], routes: [ipv4, ...ipv6] };
}

function prefixOf(address: LabAddress): string {
  return `${address.network}/${address.prefixLength}`;
}
