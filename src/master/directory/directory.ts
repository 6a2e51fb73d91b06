import type { ServingMasters } from '../../core/master-preference.ts';
import type { MasterName, OperatorName, SubsetName } from '../../model/names.ts';
import type {
  ActingRecord,
  DrainRecord,
  MasterRecord,
  OperatorRecord,
  SubsetRecord,
  VpnRecord,
} from '../../model/records.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

/** A record as the store has it; the revision wrote it. */
export interface Known<Record> {
  readonly record: Record;
  readonly revision: number;
}

/** A master as the directory has it, its certificate checked against the root. */
export interface KnownMaster extends Known<MasterRecord> {
  readonly keys: { readonly members: WireguardPublicKey; readonly backbone: WireguardPublicKey };
}

export type KnownSubset = Known<SubsetRecord>;

/** What all masters must know, in memory. `DirectoryFollower` keeps it up to date. */
export class Directory {
  readonly vpn: VpnRecord;
  readonly masters = new Map<MasterName, KnownMaster>();
  readonly subsets = new Map<SubsetName, KnownSubset>();
  /** Who acts for what, by subset; nothing for a subset that nobody has acted for. */
  readonly actings = new Map<SubsetName, Known<ActingRecord>>();
  readonly drains = new Map<MasterName, Known<DrainRecord>>();
  readonly operators = new Map<OperatorName, Known<OperatorRecord>>();
  /** The newest key among masters; undefined until it was read. */
  backboneKey: StoredGroupKey | undefined;
  /** What this master holds the lease of, which it knows before the directory says so. */
  readonly #own = new Map<SubsetName, MasterName>();

  constructor(vpn: VpnRecord) {
    this.vpn = vpn;
  }

  masterRecords(): readonly MasterRecord[] {
    return [...this.masters.values()].map(({ record }) => record);
  }

  subsetRecords(): readonly SubsetRecord[] {
    return [...this.subsets.values()].map(({ record }) => record);
  }

  /** Who acts for the subset when nothing has failed; undefined when there is no such subset. */
  homeOf(subset: SubsetName): MasterName | undefined {
    return this.subsets.get(subset)?.record.acting;
  }

  /** Who acts for the subset now, as far as is known here; undefined when there is no such subset. */
  actingNow(subset: SubsetName): MasterName | undefined {
    return this.#own.get(subset) ?? this.recordedActing(subset);
  }

  /** The same as all masters know it, which is what members are told. */
  recordedActing(subset: SubsetName): MasterName | undefined {
    const home = this.homeOf(subset);
    const recorded = this.actings.get(subset)?.record.master;
    return recorded !== undefined && this.isServing(recorded, subset) ? recorded : home;
  }

  /** Masters that are to carry nothing while others can. */
  get drained(): ReadonlySet<MasterName> {
    return new Set(this.drains.keys());
  }

  /** Whether it is the subset's home master or one of its backups. */
  isServing(master: MasterName, subset: SubsetName): boolean {
    const record = this.subsets.get(subset)?.record;
    return record !== undefined && (record.acting === master || record.backups.includes(master));
  }

  /** For `preferenceOrder`; undefined when there is no such subset. */
  servingMasters(subset: SubsetName): ServingMasters | undefined {
    const record = this.subsets.get(subset)?.record;
    const acting = this.recordedActing(subset);
    if (!record || !acting) return undefined;
    return { home: record.acting, acting, backups: record.backups, drained: this.drained };
  }

  /** The subsets that the master serves: as their home master, or as a backup. */
  servedBy(master: MasterName): readonly SubsetRecord[] {
    return this.subsetRecords().filter(({ name }) => this.isServing(master, name));
  }

  /** To be said as soon as this master holds the lease, so that it routes by it first. */
  beginActing(subset: SubsetName, master: MasterName): void {
    this.#own.set(subset, master);
  }

  endActing(subset: SubsetName): void {
    this.#own.delete(subset);
  }
}
