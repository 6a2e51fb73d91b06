import { hostPlace, type LabAddresses, siblingAddresses } from './addressing.ts';
import { LabError } from './lab-error.ts';
import type { LabPlan, LinkPlan, NodePlan } from './plan.ts';
import { behind } from './plan-router.ts';

/** Addresses end in one byte, and its last value is for broadcasts. */
const lastPlace = 254;

/** Where a host is: what it is called under, and what it hangs on. */
export interface StayPlan {
  readonly node: NodePlan & { readonly addresses: LabAddresses };
  readonly link: LinkPlan;
}

/**
 * What becomes of a host at a site: at its own what the topology says, at others an address that no
 * other host ever has there, the same each time.
 * @throws LabError `unknown-node`; `cannot-roam` when one is no host or the other no site
 */
export function planStay(plan: LabPlan, hostName: string, siteName: string): StayPlan {
  const { node, link } = hostOf(plan, hostName);
  const lan = lanOf(plan, siteName);
  if (link.upper.node === siteName) return { node, link };
  const place = guestPlace(plan, hostName, siteName);
  const addresses = siblingAddresses(lan, place);
  return {
    node: { ...node, addresses },
    link: {
      ...link,
      upper: { node: siteName, device: `guest${place}` },
      lower: { ...link.lower, attachment: behind(lan, addresses) },
    },
  };
}

function hostOf(plan: LabPlan, name: string): StayPlan {
  const node = find(plan.nodes, name);
  const { ipv4, ipv6 } = node.addresses;
  if (node.kind !== 'host' || !ipv4) throw cannotRoam(`${name} is no host`, name);
  const addresses = { ipv4, ...(ipv6 ? { ipv6 } : {}) };
  return { node: { ...node, addresses }, link: find(plan.links, name) };
}

function lanOf(plan: LabPlan, siteName: string): LabAddresses {
  const site = find(plan.nodes, siteName);
  if (site.kind !== 'router' || !site.lan) throw cannotRoam(`${siteName} is no site`, siteName);
  return site.lan.addresses;
}

/** After the site's own hosts, in the order of all others. */
function guestPlace(plan: LabPlan, hostName: string, siteName: string): number {
  const hosts = plan.nodes.filter(({ kind }) => kind === 'host').map(({ name }) => name);
  const own = hosts.filter((name) => find(plan.links, name).upper.node === siteName);
  const others = hosts.filter((name) => !own.includes(name));
  const place = hostPlace(own.length + others.indexOf(hostName));
  if (place <= lastPlace) return place;
  throw cannotRoam(`${siteName} has no address left for ${hostName}`, siteName);
}

function find<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((one) => one.name === name);
  if (found) return found;
  const known = all.map((one) => one.name);
  throw new LabError(`the lab has no node ${name}: it has ${known.join(', ')}`, {
    code: 'unknown-node',
    fields: { name, known },
  });
}

function cannotRoam(why: string, name: string): LabError {
  return new LabError(`cannot roam: ${why}`, { code: 'cannot-roam', fields: { name } });
}
