import type { MasterName, MemberName, SubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import {
  type ActingLease,
  type MemberRecord,
  memberRecordSchema,
} from '../../model/records/roll.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { authorityKey, memberKey, subsetKeyKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import { GroupKeyStore } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import type { ActingSubset } from './acting-subset.ts';
import { findHandoverTarget, type HandoverTarget, type NoTarget } from './handover.ts';
import { askBack, type ReturnDependencies, returnWhenSettled } from './return-home.ts';
import { RollFollower, type RollFollowerDependencies } from './roll-follower.ts';
import type { ServedSubset } from './served-subset.ts';
import { type Takeover, type TakeoverDependencies, takeOver } from './takeover.ts';
import { Tenure, type TenureDependencies } from './tenure.ts';

export interface SubsetDutyDependencies
  extends Omit<TenureDependencies, 'store' | 'keys' | 'follower' | 'record'>,
    Pick<RollFollowerDependencies, 'onRollEvents'>,
    Pick<TakeoverDependencies, 'onRenewalFailed'>,
    Pick<ReturnDependencies, 'links' | 'isAlive'> {
  /** Where rolls are. */
  readonly rollStores: { of(record: Pick<SubsetRecord, 'region'>): Promise<Store> };
  readonly followed: RollFollowerDependencies['events'];
}

export interface SubsetDutyOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

/** What stops a master from acting, such as a missing authority, leaves others the time to take over. */
const retryMs = 2_000;
const readyTimeoutMs = 1_500;
/** How often a master that is being emptied looks for somebody to take a subset. */
const drainEveryMs = 2_000;

/**
 * What this master does for one subset that it serves.
 * - Following: it keeps a copy of the roll and waits for the lease to be its own to take. Left with
 *   the lease (`takeover.ts`).
 * - Acting: it completes the copy, writes down that it acts, and alone changes the roll. Left when
 *   the lease is lost or given away (`tenure.ts`), for following.
 */
export class SubsetDuty {
  readonly subset: SubsetName;
  readonly #master: MasterName;
  readonly #dependencies: SubsetDutyDependencies;
  readonly #keys: GroupKeyStore;
  #store: Store | undefined;
  #follower: RollFollower | undefined;
  #tenure: Tenure | undefined;

  constructor({ subset, master }: SubsetDutyOptions, dependencies: SubsetDutyDependencies) {
    const { sealingKey } = dependencies;
    this.subset = subset;
    this.#master = master;
    this.#dependencies = dependencies;
    this.#keys = new GroupKeyStore({ keyOf: (epoch) => subsetKeyKey(subset, epoch), sealingKey });
  }

  /** The newest that is known, acting or not; undefined until the roll was read for the first time. */
  get served(): ServedSubset | undefined {
    return this.acting?.state ?? this.#follower?.served;
  }

  /** While this master acts. */
  get acting(): ActingSubset | undefined {
    return this.#tenure?.acting;
  }

  /** While it does not, and has the roll's store. */
  get follower(): RollFollower | undefined {
    return this.#tenure ? undefined : this.#follower;
  }

  /** Where the roll is; undefined until that store was opened. */
  get store(): Store | undefined {
    return this.#store;
  }

  /** Follows and acts until the signal is aborted, and gives the lease back then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, rollStores } = this.#dependencies;
    while (!signal.aborted) {
      try {
        const store = await rollStores.of(this.#record());
        this.#store = store;
        const takeover = await this.#follow(store, signal);
        await this.#act(store, takeover, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ subset: this.subset, error }, 'cannot act for the subset now; trying again');
        await clock.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  /**
   * Gives the subset to another master: changes are refused from now on, those under way are
   * answered, and then the lease is the target's to take.
   * @throws MasterError `not-acting`; StoreError when it is not known who has it
   */
  async handOver(
    to: MasterName,
    change: NonNullable<ActingLease['offered']>['change'],
  ): Promise<void> {
    if (!this.#tenure?.acting) throw this.#notActing();
    await this.#tenure.handOver(to, change);
  }

  /** @returns who has it now, or why nobody could take it. @throws as `handOver` */
  async handOverToBackup(signal?: AbortSignal): Promise<HandoverTarget | NoTarget> {
    if (!this.acting) throw this.#notActing();
    const target = await findHandoverTarget(this.subset, this.#master, this.#dependencies, signal);
    if (target.master !== undefined) await this.handOver(target.master, 'handed-over');
    return target;
  }

  /** Asks whoever acts for the subset now. @throws ApiError, ClientError; MasterError `not-acting` when nobody does */
  async askBack(signal: AbortSignal): Promise<void> {
    const holder = this.follower?.lease?.held?.master;
    if (holder === undefined || holder === this.#master) throw this.#notActing();
    const names = { subset: this.subset, master: this.#master };
    await askBack(names, holder, this.#dependencies, signal);
  }

  /** @returns what keeps this master from taking the subset over now; undefined when nothing does */
  async obstacle(): Promise<string | undefined> {
    const [store, follower] = [this.#store, this.follower];
    if (this.#dependencies.directory.drains.has(this.#master)) return 'it is being emptied';
    if (this.#tenure) return 'it acts already';
    if (!store || !follower?.isLive) return 'it cannot follow the roll now';
    using deadline = new Deadline(readyTimeoutMs);
    const authority = await store.get(authorityKey(this.subset, this.#master), deadline.signal);
    return authority ? undefined : 'it has no authority to issue for the subset';
  }

  /** As the store has it now. @throws StoreError; MasterError `not-acting` before the store was opened */
  async readMember(name: MemberName): Promise<MemberRecord | undefined> {
    if (!this.#store) throw this.#notActing();
    using deadline = new Deadline(readyTimeoutMs);
    const entry = await this.#store.get(memberKey(this.subset, name), deadline.signal);
    return entry && decodeRecord(memberRecordSchema, entry.key, entry.value);
  }

  async #follow(store: Store, signal: AbortSignal): Promise<Takeover> {
    const options = { subset: this.subset, master: this.#master };
    const follower = this.#followerOf(store);
    const dependencies = { ...this.#dependencies, store, follower };
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const background = [follower.run(until), returnWhenSettled(options, dependencies, until)];
    try {
      return await takeOver(options, dependencies, signal);
    } finally {
      over.abort(new Error('the roll is followed no more'));
      await Promise.all(background);
    }
  }

  #followerOf(store: Store): RollFollower {
    const { followed: events } = this.#dependencies;
    const keys = this.#keys;
    this.#follower ??= new RollFollower(this.subset, {
      ...this.#dependencies,
      ...{ store, keys, events },
    });
    return this.#follower;
  }

  async #act(store: Store, takeover: Takeover, signal: AbortSignal): Promise<void> {
    const tenure = new Tenure(
      { subset: this.subset, master: this.#master, takeover },
      {
        ...this.#dependencies,
        ...{ store, keys: this.#keys, follower: this.#followerOf(store) },
        record: () => this.#record(),
      },
    );
    const over = new AbortController();
    const giving = this.#giveAwayWhenDrained(AbortSignal.any([signal, over.signal]));
    this.#tenure = tenure;
    try {
      await tenure.run(signal);
    } finally {
      this.#tenure = undefined;
      over.abort(new Error('the subset is not acted for now'));
      await giving;
    }
  }

  async #giveAwayWhenDrained(signal: AbortSignal): Promise<void> {
    const { directory, clock, log } = this.#dependencies;
    while (!signal.aborted) {
      await clock.sleep(drainEveryMs, signal).catch(() => undefined);
      if (signal.aborted || !directory.drains.has(this.#master)) continue;
      await this.handOverToBackup(signal).catch((error: unknown) => {
        if (!signal.aborted) log.warn({ subset: this.subset, error }, 'could not hand over');
      });
    }
  }

  #record(): SubsetRecord {
    const known = this.#dependencies.directory.subsets.get(this.subset);
    if (known) return known.record;
    throw new MasterError(`${this.subset} is no longer in the directory`, {
      code: 'no-such-subset',
      fields: { subset: this.subset },
    });
  }

  #notActing(): MasterError {
    return new MasterError(`${this.#master} does not act for ${this.subset}: ask again`, {
      code: 'not-acting',
      fields: { subset: this.subset },
      retryable: true,
    });
  }
}
