import type { MasterName, SubsetName } from '../../model/names.ts';
import type { MasterRecord, SubsetRecord, VpnRecord } from '../../model/records.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

/** A master as the directory has it, its certificate checked against the root. */
export interface KnownMaster {
  readonly record: MasterRecord;
  readonly revision: number;
  readonly keys: { readonly members: WireguardPublicKey; readonly backbone: WireguardPublicKey };
}

export interface KnownSubset {
  readonly record: SubsetRecord;
  readonly revision: number;
}

/** What all masters must know, in memory. `DirectoryFollower` keeps it up to date. */
export class Directory {
  readonly vpn: VpnRecord;
  readonly masters = new Map<MasterName, KnownMaster>();
  readonly subsets = new Map<SubsetName, KnownSubset>();
  /** The newest key among masters; undefined until it was read. */
  backboneKey: StoredGroupKey | undefined;

  constructor(vpn: VpnRecord) {
    this.vpn = vpn;
  }

  masterRecords(): readonly MasterRecord[] {
    return [...this.masters.values()].map(({ record }) => record);
  }

  subsetRecords(): readonly SubsetRecord[] {
    return [...this.subsets.values()].map(({ record }) => record);
  }

  actingFor(subset: SubsetName): MasterName | undefined {
    return this.subsets.get(subset)?.record.acting;
  }

  /** The subsets for which the master acts or stands by. */
  subsetsOf(master: MasterName): {
    acting: readonly SubsetRecord[];
    backup: readonly SubsetRecord[];
  } {
    const records = this.subsetRecords();
    return {
      acting: records.filter(({ acting }) => acting === master),
      backup: records.filter(({ backups }) => backups.includes(master)),
    };
  }
}
