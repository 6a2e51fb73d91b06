import { z } from 'zod';
import {
  type Address,
  hostPrefix,
  type Prefix,
  prefixBits,
  prefixesOverlap,
  prefixFrom,
  prefixSchema,
} from '../model/prefix.ts';
import { HostError } from './host-error.ts';
import { readIpJson } from './link/ip-json.ts';
import { readLinks } from './link/link-snapshot.ts';
import type { Runner } from './runner.ts';

/** A network that the machine has already. */
export interface HostNetwork {
  /** Empty for a route that leads nowhere, such as an `unreachable` one. */
  readonly interfaceName: string;
  readonly prefix: Prefix;
}

const routeSchema = z.object({
  type: z.string().default('unicast'),
  dst: z.string(),
  dev: z.string().optional(),
  nexthops: z.array(z.object({ dev: z.string().optional() })).default([]),
});

/** Routes that the kernel makes for addresses, which are looked at by themselves. */
const addressRouteTypes = new Set(['local', 'broadcast', 'anycast', 'multicast']);

/**
 * The machine's networks that overlap a VPN's prefixes, on interfaces that are not ours. Default
 * routes do not count, also when split in two halves as other VPNs do.
 */
export async function findOverlaps(
  prefixes: readonly Prefix[],
  ownInterfaces: ReadonlySet<string>,
  runner: Runner,
): Promise<readonly HostNetwork[]> {
  const networks = await readHostNetworks(runner);
  const overlaps = networks.filter(
    ({ interfaceName, prefix }) =>
      !ownInterfaces.has(interfaceName) &&
      prefixBits(prefix).length > 1 &&
      prefixes.some((wanted) => prefixesOverlap(wanted, prefix)),
  );
  const distinct = new Map(overlaps.map((network) => [describe(network), network]));
  return [...distinct.values()];
}

/** @throws HostError `overlap`, naming them all */
export async function assertNoOverlap(
  prefixes: readonly Prefix[],
  ownInterfaces: ReadonlySet<string>,
  runner: Runner,
): Promise<void> {
  const overlaps = (await findOverlaps(prefixes, ownInterfaces, runner)).map(describe);
  if (overlaps.length === 0) return;
  throw new HostError(
    `this machine already uses addresses of the VPN (${prefixes.join(', ')}): ${overlaps.join(', ')}. ` +
      'Remove those networks, or create the VPN with other prefixes',
    { code: 'overlap', fields: { overlaps } },
  );
}

async function readHostNetworks(runner: Runner): Promise<readonly HostNetwork[]> {
  const showRoutes = (family: string) =>
    readIpJson(runner, [family, 'route', 'show', 'table', 'all'], routeSchema);
  const [links, ...routes] = await Promise.all([
    readLinks(runner),
    showRoutes('-4'),
    showRoutes('-6'),
  ]);
  return [
    ...[...links.values()].flatMap(({ name, addresses }) =>
      addresses.map(({ address, prefixLength }) => ({
        interfaceName: name,
        prefix: networkOf(address, prefixLength),
      })),
    ),
    ...routes.flat().flatMap(networksOfRoute),
  ];
}

function networksOfRoute(route: z.infer<typeof routeSchema>): readonly HostNetwork[] {
  if (addressRouteTypes.has(route.type)) return [];
  const prefix = toPrefix(route.dst);
  // `default`, which is everybody's.
  if (prefix === undefined) return [];
  const devices = route.nexthops.length > 0 ? route.nexthops : [route];
  return devices.map(({ dev }) => ({ interfaceName: dev ?? '', prefix }));
}

function toPrefix(text: string): Prefix | undefined {
  return prefixSchema.safeParse(text.includes('/') ? text : hostPrefix(text as Address)).data;
}

function networkOf(address: Address, length: number): Prefix {
  const { family, first } = prefixBits(hostPrefix(address));
  const hostBits = BigInt((family === 4 ? 32 : 128) - length);
  return prefixFrom({ family, first: (first >> hostBits) << hostBits, length });
}

function describe({ interfaceName, prefix }: HostNetwork): string {
  return interfaceName === '' ? `${prefix} (a route)` : `${prefix} on ${interfaceName}`;
}
