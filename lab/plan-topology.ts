import type { LabPlan, NodePlan } from './plan.ts';
import { type CarrierFacts, planCarrier, planCustomerUplink } from './plan-carrier.ts';
import { planCoreUplink, type UplinkPlan } from './plan-router.ts';
import { planSite, reachableNetworks, type SiteFacts, siteFacts } from './plan-site.ts';
import { coreName, type Topology, validateTopology } from './topology.ts';

/** Numbers and names everything. The same topology gives the same plan. @throws LabError */
export function planTopology(topology: Topology): LabPlan {
  validateTopology(topology);
  const core: NodePlan = { name: coreName, kind: 'core', addresses: {} };
  const sites = topology.sites.map((spec, index) => siteFacts(spec, index + 1));
  const carriers = (topology.carriers ?? []).map((spec, index) => ({
    spec,
    number: sites.length + index + 1,
    customers: sites.filter((site) => site.spec.carrier === spec.name),
  }));
  const parts = [
    ...carriers.map(planCarrier),
    ...sites.map((site) => planSite(site, uplinkOf(site, carriers))),
  ];
  return {
    nodes: [core, ...parts.flatMap(({ nodes }) => nodes)],
    links: parts.flatMap(({ links }) => links),
  };
}

function uplinkOf(site: SiteFacts, carriers: readonly CarrierFacts[]): UplinkPlan {
  const carrier = carriers.find(({ customers }) => customers.includes(site));
  return carrier
    ? planCustomerUplink(carrier, site)
    : planCoreUplink(site.number, reachableNetworks(site));
}
