import type { ServingMasters } from '../../core/master-preference.ts';
import { defaultPlacementPolicy, type PlacementPolicy } from '../../core/placement/policy.ts';
import type { MasterName, OperatorName, SubsetName } from '../../model/names.ts';
import type {
  ActingRecord,
  DrainRecord,
  KeyingPhase,
  KeyingRecord,
  MasterRecord,
  OperatorRecord,
  SubsetRecord,
  VpnRecord,
} from '../../model/records/directory.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import type { SharedKey } from '../keying/shared-key.ts';
import { MasterError } from '../master-error.ts';

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
  /** Undefined for a VPN that is in the phase in which it was made. */
  keying: Known<KeyingRecord> | undefined;
  /**
   * The placement policy that operators have stored; undefined where they have none. The policy is the
   * newest that this master can read, and absent while it has read none.
   */
  storedPolicy: { readonly revision: number; readonly policy?: PlacementPolicy } | undefined;
  /** The key that all subsets are to have; undefined until masters have agreed on one. */
  sharedKey: SharedKey | undefined;
  /** All that the store had at this revision is here. */
  revision = 0;
  /** What this master holds the lease of, which it knows before the directory says so. */
  readonly #own = new Map<SubsetName, MasterName>();

  constructor(vpn: VpnRecord) {
    this.vpn = vpn;
  }

  get keyingPhase(): KeyingPhase {
    return this.keying?.record.phase ?? this.vpn.keying;
  }

  /** By which members are placed; undefined where one is stored that this master cannot read. */
  get placementPolicy(): PlacementPolicy | undefined {
    return this.storedPolicy ? this.storedPolicy.policy : defaultPlacementPolicy;
  }

  /** The same. @throws MasterError `unreadable-policy` */
  requirePlacementPolicy(): PlacementPolicy {
    const { placementPolicy, storedPolicy } = this;
    if (placementPolicy) return placementPolicy;
    const revision = storedPolicy?.revision ?? 0;
    throw new MasterError(
      `this master cannot read the placement policy (revision ${revision}), and places nobody without it: its log says why; update it if another version wrote the policy`,
      { code: 'unreadable-policy', fields: { revision }, retryable: true },
    );
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

  /** Whether somebody with that key has left lately, in any subset, while all have one key. */
  hasDeparted(key: WireguardPublicKey): boolean {
    return this.sharedKey?.departed.some((departed) => departed.key === key) ?? false;
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
