import { z } from 'zod';
import { parseNftJson } from '../nft.ts';
import type { RelayedTraffic } from './relayed-pair.ts';

/* What `nft -j` says of a relay's table, and of others' where they concern it. */

const countedSchema = z.object({
  elem: z.object({
    val: z.object({ concat: z.tuple([z.number(), z.string()]) }),
    counter: z.object({ packets: z.number(), bytes: z.number() }),
  }),
});

const mapSchema = z.object({
  map: z.object({ elem: z.array(z.tuple([countedSchema, z.string()])).optional() }).optional(),
});

const setSchema = z.object({
  set: z.object({ elem: z.array(z.string()).optional() }).optional(),
});

const chainSchema = z.object({
  chain: z
    .object({
      ...{ family: z.string(), table: z.string(), name: z.string() },
      ...{ hook: z.string().optional(), policy: z.string().optional() },
    })
    .optional(),
});

/**
 * Reads `nft -j list map` of a map of sources.
 * @returns what has been sent on from each port of ours
 * @throws HostError `unreadable-output`
 */
export function parseTraffic(text: string): ReadonlyMap<number, RelayedTraffic> {
  const counted = parseNftJson(text, mapSchema, 'nft -j list map').flatMap(
    ({ map }) => map?.elem ?? [],
  );
  return new Map(counted.map(([{ elem }]) => [elem.val.concat[0], elem.counter]));
}

/**
 * Reads `nft -j list set` of a set of interfaces.
 * @throws HostError `unreadable-output`
 */
export function parseInterfaces(text: string): readonly string[] {
  return parseNftJson(text, setSchema, 'nft -j list set').flatMap(({ set }) => set?.elem ?? []);
}

/**
 * Reads `nft -j list chains`.
 * @returns the first chain that drops what is forwarded unless a rule of its table says otherwise
 * @throws HostError `unreadable-output`
 */
export function findForwardDrop(text: string): string | undefined {
  const chain = parseNftJson(text, chainSchema, 'nft -j list chains')
    .flatMap(({ chain: found }) => found ?? [])
    .find(
      ({ family, hook, policy }) =>
        ['ip', 'ip6', 'inet'].includes(family) && hook === 'forward' && policy === 'drop',
    );
  return chain && `${chain.family} ${chain.table} ${chain.name}`;
}
