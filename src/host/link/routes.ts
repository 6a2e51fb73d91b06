import { z } from 'zod';
import type { HostState, RouteState } from '../../model/host-state.ts';
import {
  type Address,
  hostPrefix,
  type Prefix,
  prefixBits,
  prefixSchema,
} from '../../model/prefix.ts';
import { HostError } from '../host-error.ts';
import type { Runner } from '../runner.ts';
import { readIpJson } from './ip-json.ts';

/** Marks our routes for everybody who reads `ip route`; not in use by any routing daemon. */
export const routeProtocol = 104;
/** A metric that nobody else uses, so that `replace` can only ever replace a route of ours. */
export const routeMetric = 10_104;

/** One destination's way out. */
export interface InstalledRoute extends RouteState {
  readonly device: string;
}

/** Routes by destination: the machine has one way to each, whichever interface it is on. */
export type Routes = ReadonlyMap<Prefix, InstalledRoute>;

/** @throws HostError `contradiction` when two interfaces want the same destination */
export function collectRoutes(interfaces: HostState['interfaces']): Routes {
  const routes = new Map<Prefix, InstalledRoute>();
  for (const { name, routes: ofInterface } of interfaces) {
    for (const route of ofInterface) {
      const other = routes.get(route.destination);
      if (other !== undefined && other.device !== name) {
        throw new HostError(
          `${route.destination} is wanted through ${other.device} and through ${name}`,
          { code: 'contradiction', fields: { destination: route.destination } },
        );
      }
      routes.set(route.destination, { ...route, device: name });
    }
  }
  return routes;
}

/**
 * Lines for `ip -batch` that turn `current` into `wanted`. A destination that moves to another
 * interface is replaced in one step, so that no packet is without a route in between.
 */
export function planRouteChanges(current: Routes, wanted: Routes): readonly string[] {
  const lines: string[] = [];
  for (const route of wanted.values()) {
    const old = current.get(route.destination);
    if (old?.device === route.device && old.source === route.source) continue;
    lines.push(replaceLine(route));
  }
  for (const route of current.values()) {
    if (!wanted.has(route.destination)) lines.push(`route delete ${describe(route)}`);
  }
  return lines;
}

/** Lines for `ip -batch` that put an interface's IPv4 routes back, whether they are still there or not. */
export function restoreIpv4Routes(device: string, wanted: Routes): readonly string[] {
  return [...wanted.values()]
    .filter((route) => route.device === device && prefixBits(route.destination).family === 4)
    .map(replaceLine);
}

function replaceLine(route: InstalledRoute): string {
  const source = route.source === undefined ? '' : ` src ${route.source}`;
  return `route replace ${describe(route)}${source}`;
}

function describe({ destination, device }: InstalledRoute): string {
  return `${destination} dev ${device} proto ${routeProtocol} metric ${routeMetric}`;
}

const routeSchema = z.object({
  dst: z.string(),
  dev: z.string().optional(),
  prefsrc: z.string().optional(),
  metric: z.number().optional(),
});

/** Our routes through the given interfaces, of both families. */
export async function readRoutes(runner: Runner, devices: ReadonlySet<string>): Promise<Routes> {
  const show = (family: string) =>
    readIpJson(runner, [family, 'route', 'show', 'proto', String(routeProtocol)], routeSchema);
  const found = (await Promise.all([show('-4'), show('-6')])).flat();
  const routes = found.flatMap(({ dst, dev, prefsrc, metric }) => {
    const destination = toPrefix(dst);
    if (destination === undefined || dev === undefined || !devices.has(dev)) return [];
    if (metric !== routeMetric) return [];
    const source = prefsrc === undefined ? {} : { source: prefsrc as Address };
    return [{ destination, device: dev, ...source }];
  });
  return new Map(routes.map((route) => [route.destination, route]));
}

/** `ip` leaves out the length of a host's prefix, and calls a default route by name. */
function toPrefix(text: string): Prefix | undefined {
  const whole = text.includes('/') ? text : hostPrefix(text as Address);
  return prefixSchema.safeParse(whole).data;
}
