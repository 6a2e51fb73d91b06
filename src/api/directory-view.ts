import type { MasterRecord, SubsetRecord, VpnRecord } from '../model/records.ts';
import type { DirectoryView } from './endpoints.ts';

/** The directory's records as clients see them: without keys, certificates and indices. */
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
    masters: masters.map(({ name, control }) => ({ name, control })),
    subsets: subsets.map(({ name, acting, backups, ipv4Blocks, ipv6Block }) => ({
      name,
      acting,
      backups,
      blocks: [...ipv4Blocks, ipv6Block],
    })),
  };
}
