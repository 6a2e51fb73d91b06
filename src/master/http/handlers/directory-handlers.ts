import type { DirectoryView } from '../../../api/endpoints.ts';
import { blocksOf, vpnPrefixes } from '../../../core/gateway-plan.ts';
import type { Directory } from '../../directory/directory.ts';

/** `GET /v1/directory` */
export function describeDirectory({ vpn, masters, subsets }: Directory): DirectoryView {
  return {
    vpn: {
      name: vpn.name,
      id: vpn.id,
      prefixes: [...vpnPrefixes(vpn)],
      keying: vpn.keying,
      lifetimes: vpn.lifetimes,
      createdAtMs: vpn.createdAtMs,
    },
    masters: byName(
      [...masters.values()].map(({ record }) => ({ name: record.name, control: record.control })),
    ),
    subsets: byName(
      [...subsets.values()].map(({ record }) => ({
        name: record.name,
        acting: record.acting,
        backups: record.backups,
        blocks: [...blocksOf(record)],
      })),
    ),
  };
}

function byName<T extends { readonly name: string }>(items: T[]): T[] {
  return items.sort((a, b) => (a.name < b.name ? -1 : 1));
}
