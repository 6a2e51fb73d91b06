import { carrierAddresses, hostPlace, routerPlace } from './addressing.ts';
import type { LabPlan } from './plan.ts';
import { planCoreUplink, planNat, planUplink, routeTo, type UplinkPlan } from './plan-router.ts';
import { reachableNetworks, type SiteFacts } from './plan-site.ts';
import type { CarrierSpec } from './topology.ts';

/** A carrier and the sites whose uplinks lead to it, in the order of their ports. */
export interface CarrierFacts {
  readonly spec: CarrierSpec;
  readonly number: number;
  readonly customers: readonly SiteFacts[];
}

/**
 * A router whose LAN is made of other routers. It translates their IPv4 once more, and routes the
 * IPv6 of their hosts without looking at it.
 */
export function planCarrier({ spec, number, customers }: CarrierFacts): LabPlan {
  const lan = carrierAddresses(number, routerPlace);
  const ends = customers.map((_, index) => carrierAddresses(number, hostPlace(index)));
  const behindCustomers = customers.map(reachableNetworks);
  const uplink = planCoreUplink(number, [lan.ipv6, ...behindCustomers.flat()]);
  const routes = ends.flatMap((end, index) =>
    (behindCustomers[index] ?? []).map((network) => routeTo(network, end)),
  );
  const { name, nat, uplink: link = {} } = spec;
  return {
    nodes: [
      {
        name,
        kind: 'carrier',
        addresses: uplink.addresses,
        lan: { addresses: lan, neighbours: ends, routes },
        ...planNat(nat, spec, { outside: uplink.addresses, shieldsIpv6: false }),
      },
    ],
    links: [planUplink(name, link, uplink)],
  };
}

export function planCustomerUplink(
  { spec, number, customers }: CarrierFacts,
  site: SiteFacts,
): UplinkPlan {
  const index = customers.indexOf(site);
  return {
    upper: { node: spec.name, device: `port${index + 1}` },
    gateway: carrierAddresses(number, routerPlace),
    addresses: carrierAddresses(number, hostPlace(index)),
  };
}
