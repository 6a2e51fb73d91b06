import { z } from 'zod';
import { type Address, addressSchema } from '../../model/prefix.ts';
import { HostError, stderrOf } from '../host-error.ts';
import type { Runner } from '../runner.ts';
import { readIpJson } from './ip-json.ts';

/** How this machine sends to an address now, by its routes. */
export interface Way {
  /** The interface; `lo` for an address of its own. */
  readonly device: string;
  /** The address that it sends from unless told otherwise. */
  readonly source: Address | undefined;
  /** Absent unless the route has one of its own. */
  readonly mtuBytes: number | undefined;
}

const routeSchema = z.object({
  dev: z.string().optional(),
  prefsrc: addressSchema.optional(),
  metrics: z.array(z.object({ mtu: z.number().optional() })).default([]),
});

/** @throws HostError `no-route`, `command-failed` */
export async function readWay(address: Address, runner: Runner): Promise<Way> {
  const [route] = await askFor(address, runner);
  if (route?.dev === undefined) throw noRoute(address);
  const mtuBytes = route.metrics.find(({ mtu }) => mtu !== undefined)?.mtu;
  return { device: route.dev, source: route.prefsrc, mtuBytes };
}

async function askFor(address: Address, runner: Runner) {
  try {
    return await readIpJson(runner, ['route', 'get', address], routeSchema);
  } catch (error) {
    throw /unreachable|No route/.test(stderrOf(error)) ? noRoute(address, error) : error;
  }
}

export function noRoute(address: Address, cause?: unknown): HostError {
  return new HostError(`this machine has no route to ${address}`, {
    code: 'no-route',
    fields: { address },
    retryable: true,
    cause,
  });
}
