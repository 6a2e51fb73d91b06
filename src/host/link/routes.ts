import { z } from 'zod';
import type { HostState, RouteState, SourceState } from '../../model/host-state.ts';
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
  /** The number of a routing table of ours; absent for the main one. */
  readonly table?: number;
}

/** Routes by table and destination: each table has one way to each, whichever interface it is on. */
export type Routes = ReadonlyMap<string, InstalledRoute>;

/** Where an installed route is to be found among `Routes`. */
export function routeKey({ table, destination }: InstalledRoute): string {
  return `${table ?? 'main'} ${destination}`;
}

export function routesOf(routes: readonly InstalledRoute[]): Routes {
  return new Map(routes.map((route) => [routeKey(route), route]));
}

/** All routes of the main table. @throws HostError `contradiction` when two interfaces want the same destination */
export function collectRoutes(interfaces: HostState['interfaces']): Routes {
  return collect(
    interfaces.flatMap(({ name: device, routes }) => routes.map((route) => ({ ...route, device }))),
  );
}

/** All routes of the tables of sources. @throws HostError `contradiction` */
export function collectSourceRoutes(tables: ReadonlyMap<SourceState, number>): Routes {
  return collect(
    [...tables].flatMap(([{ routes }, table]) =>
      routes.map(({ interfaceName: device, ...route }) => ({ ...route, device, table })),
    ),
  );
}

function collect(wanted: readonly InstalledRoute[]): Routes {
  const routes = new Map<string, InstalledRoute>();
  for (const route of wanted) {
    const { destination, device } = route;
    const other = routes.get(routeKey(route));
    if (other !== undefined && other.device !== device) {
      throw new HostError(
        `${destination} is wanted through ${other.device} and through ${device}`,
        {
          code: 'contradiction',
          fields: { destination },
        },
      );
    }
    routes.set(routeKey(route), route);
  }
  return routes;
}

/** Lines for `ip -batch`: new ways, and then those that nobody wants any more. */
export interface RouteChanges {
  readonly replaced: readonly string[];
  readonly ended: readonly string[];
}

/**
 * What turns `current` into `wanted`. A destination that moves to another interface is replaced in
 * one step, so that no packet is without a route in between.
 */
export function planRouteChanges(current: Routes, wanted: Routes): RouteChanges {
  const changed = [...wanted].flatMap(([key, route]) => {
    const old = current.get(key);
    return old?.device !== route.device || old.source !== route.source ? [route] : [];
  });
  const ended = [...current].flatMap(([key, route]) => (wanted.has(key) ? [] : [route]));
  return {
    replaced: changed.sort(byLength).map(replaceLine),
    ended: ended.map((route) => `route delete ${describe(route)}`),
  };
}

/** The longest first: who gets a route of its own is not sent a packet by a wider one that changes as well. */
function byLength(one: InstalledRoute, other: InstalledRoute): number {
  return prefixBits(other.destination).length - prefixBits(one.destination).length;
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

function describe({ destination, device, table }: InstalledRoute): string {
  const where = table === undefined ? '' : ` table ${table}`;
  return `${destination} dev ${device} proto ${routeProtocol} metric ${routeMetric}${where}`;
}

const routeSchema = z.object({
  dst: z.string(),
  dev: z.string().optional(),
  prefsrc: z.string().optional(),
  metric: z.number().optional(),
  /** Absent for the main one; otherwise a name or a number. */
  table: z.string().optional(),
});

/** Our routes through the given interfaces, of both families and in all tables. */
export async function readRoutes(runner: Runner, devices: ReadonlySet<string>): Promise<Routes> {
  const ours = ['table', 'all', 'proto', String(routeProtocol)];
  const show = (family: string) =>
    readIpJson(runner, [family, 'route', 'show', ...ours], routeSchema);
  const found = (await Promise.all([show('-4'), show('-6')])).flat();
  const routes = found.flatMap(({ dst, dev, prefsrc, metric, table }) => {
    const destination = toPrefix(dst);
    if (destination === undefined || dev === undefined || !devices.has(dev)) return [];
    if (metric !== routeMetric) return [];
    const source = prefsrc === undefined ? {} : { source: prefsrc as Address };
    const inTable = table === undefined ? {} : { table: Number(table) };
    return [{ destination, device: dev, ...source, ...inTable }];
  });
  return routesOf(routes);
}

/** `ip` leaves out the length of a host's prefix, and calls a default route by name. */
function toPrefix(text: string): Prefix | undefined {
  const whole = text.includes('/') ? text : hostPrefix(text as Address);
  return prefixSchema.safeParse(whole).data;
}
