import type { MasterRecord, SubsetRecord, VpnRecord } from '../model/records.ts';
import type { DirectoryView } from './endpoints.ts';

/** The directory's records as clients see them: in the order of names, without keys, certificates and indices. */
export function directoryView(records: {
  readonly vpn: VpnRecord;
  readonly masters: readonly MasterRecord[];
  readonly subsets: readonly SubsetRecord[];
}): DirectoryView {
  const { vpn, masters, subsets } = records;
  return {
    vpn: {
      name: vpn.name,
      id: vpn.id,
      prefixes: [vpn.ipv4, vpn.ipv6],
      keying: vpn.keying,
      lifetimes: vpn.lifetimes,
      createdAtMs: vpn.createdAtMs,
    },
    masters: byName(masters).map(({ name, control }) => ({ name, control })),
    subsets: byName(subsets).map(({ name, acting, backups, ipv4Blocks, ipv6Block }) => ({
      name,
      acting,
      backups,
      blocks: [...ipv4Blocks, ipv6Block],
    })),
  };
}

function byName<T extends { readonly name: string }>(records: readonly T[]): readonly T[] {
  return records.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
