import { type LabAddress, type LabAddresses, uplinkAddresses } from './addressing.ts';
import type { NatKind, NatPlan } from './nat-rules.ts';
import { type Attachment, type LinkEnd, type LinkPlan, lanDevice, uplinkDevice } from './plan.ts';
import { coreName, isDelayable, type LinkSpec, type NatSpec } from './topology.ts';

/*
 * What sites, carriers and their customers have in common: a router has an uplink, perhaps a NAT, and
 * links like all others.
 */

const defaultMtuBytes = 1_500;
/** The least of RFC 4787 REQ-5, and what Linux gives to a stream. */
const defaultMappingSeconds = 120;

/** How a router gets to the core. */
export interface UplinkPlan {
  readonly upper: LinkEnd;
  readonly gateway: LabAddresses;
  readonly addresses: Required<LabAddresses>;
}

/**
 * @param number unique among sites and carriers
 * @param networks what the core can reach by way of this router
 */
export function planCoreUplink(number: number, networks: readonly LabAddress[]): UplinkPlan {
  const { core, router } = uplinkAddresses(number);
  const routes = networks.map((network) => routeTo(network, router));
  const attachment = { addresses: core, neighbours: [router], routes };
  return {
    upper: { node: coreName, device: `site${number}`, attachment },
    gateway: core,
    addresses: router,
  };
}

export function planUplink(name: string, spec: LinkSpec, uplink: UplinkPlan): LinkPlan {
  const { upper, gateway, addresses } = uplink;
  const attachment = behind(gateway, addresses);
  return {
    ...planLink(name, spec),
    upper,
    lower: { node: name, device: uplinkDevice, attachment },
  };
}

export function planNat(
  kind: NatKind,
  { hairpin = false, mappingSeconds = defaultMappingSeconds }: NatSpec,
  { outside, shieldsIpv6 }: { readonly outside: LabAddresses; readonly shieldsIpv6: boolean },
): { nat?: NatPlan } {
  if (kind === 'none') return {};
  const outsideAddress = outside.ipv4.ip;
  const devices = { uplinkDevice, lanDevice };
  return { nat: { kind, ...devices, outsideAddress, hairpin, mappingSeconds, shieldsIpv6 } };
}

export function planLink(name: string, spec: LinkSpec): Omit<LinkPlan, 'upper' | 'lower'> {
  const { mtuBytes = defaultMtuBytes, delayable: _, ...shape } = spec;
  return { name, mtuBytes, delayable: isDelayable(spec), shape };
}

/** Reaches everything by way of the gateway. */
export function behind(gateway: LabAddresses, addresses: LabAddresses): Attachment {
  const ipv4 = { destination: '0.0.0.0/0', via: gateway.ipv4.ip };
  const ipv6 = gateway.ipv6 ? [{ destination: '::/0', via: gateway.ipv6.ip }] : [];
  return { addresses, neighbours: [gateway], routes: [ipv4, ...ipv6] };
}

export function routeTo(network: LabAddress, router: Required<LabAddresses>) {
  const { ip } = network.network.includes(':') ? router.ipv6 : router.ipv4;
  return { destination: `${network.network}/${network.prefixLength}`, via: ip };
}
