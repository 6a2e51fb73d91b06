import { z } from 'zod';
import type { Address } from '../../model/prefix.ts';
import type { Runner } from '../runner.ts';
import { readIpJson } from './ip-json.ts';

const linkSchema = z.object({
  ifname: z.string(),
  ifalias: z.string().default(''),
  flags: z.array(z.string()),
  mtu: z.number(),
  addr_info: z
    .array(
      z.object({
        local: z.string().optional(),
        prefixlen: z.number().default(0),
        scope: z.string().optional(),
      }),
    )
    .default([]),
});

/** A network interface of the machine, whosever it is. */
export interface LinkSnapshot {
  readonly name: string;
  /** Empty when nobody gave it one. */
  readonly alias: string;
  readonly isUp: boolean;
  readonly mtuBytes: number;
  /** With the length of the network that the address was configured with; link-local ones too. */
  readonly addresses: readonly LinkAddress[];
}

export interface LinkAddress {
  readonly address: Address;
  readonly prefixLength: number;
  readonly isLinkLocal: boolean;
}

/** All interfaces of the network namespace, by name. */
export async function readLinks(runner: Runner): Promise<ReadonlyMap<string, LinkSnapshot>> {
  // Without -details, addresses are shown without aliases.
  const links = await readIpJson(runner, ['-details', 'address', 'show'], linkSchema);
  return new Map(links.map((link) => [link.ifname, toSnapshot(link)]));
}

function toSnapshot(link: z.infer<typeof linkSchema>): LinkSnapshot {
  return {
    name: link.ifname,
    alias: link.ifalias,
    isUp: link.flags.includes('UP'),
    mtuBytes: link.mtu,
    addresses: link.addr_info.flatMap(({ local, prefixlen, scope }) =>
      local === undefined
        ? []
        : [
            {
              // The kernel prints addresses in canonical form.
              address: local as Address,
              prefixLength: prefixlen,
              isLinkLocal: scope === 'link',
            },
          ],
    ),
  };
}
