import type { SubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import {
  type ActingLease,
  actingLeaseSchema,
  isInRoll,
  type MemberRecord,
} from '../../model/records/roll.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Log } from '../../runtime/log.ts';
import { leaseKey, rollPrefix, subsetKeyPrefix } from '../../store/keys.ts';
import type { Change, Entry, Store, WatchBatch } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import type { GroupKeyStore, StoredGroupKey } from '../group-key-store.ts';
import { Roll } from './roll.ts';
import { type LoadedRoll, loadRoll, loadSubsetKey } from './roll-loading.ts';
import type { ServedSubset } from './served-subset.ts';

/** Who holds the lease, as far as the store has told. */
export interface SeenLease {
  /** Undefined while nobody does. */
  readonly held: (ActingLease & { readonly modRevision: number }) | undefined;
  /** Since when, by this machine's monotonic and by its wall clock. */
  readonly sinceMonotonicMs: number;
  readonly sinceMs: number;
}

/** What a followed roll tells, in the order in which members may hear of it. */
export interface RollFollowerEvents {
  /** Out of the roll, by a change that is in the store. */
  departed(member: MemberRecord): void;
  /** The member is to hear of its order; repeated whenever its record changes, or the whole roll was read. */
  moveOrdered(member: MemberRecord): void;
  keyChanged(served: ServedSubset): void;
  /** Also after the whole roll was read. */
  rollChanged(subset: SubsetName): void;
  /**
   * Somebody acts from now on, perhaps the same master as before, or reads the roll anew, and knows nothing
   * but what is in the store.
   */
  leaseTaken(subset: SubsetName): void;
}

export interface RollFollowerDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly keys: GroupKeyStore;
  readonly events: RollFollowerEvents;
  /** Store events that the watch delivered. */
  readonly onRollEvents: (subset: SubsetName, count: number) => void;
}

const retryDelays = { minMs: 100, maxMs: 2_000 };
/** A whole roll of a million members over a slow line; a store that is silent for so long is away. */
const loadTimeoutMs = 60_000;

interface Followed extends ServedSubset {
  key: StoredGroupKey;
  /** What a watch may repeat; undefined once it is past that. */
  read: Pick<LoadedRoll, 'readAt' | 'endRevision'> | undefined;
}

/**
 * A copy of a subset's roll, key and lease that follows the store. While the store is away it stays
 * as it was; what the store has forgotten meanwhile is read anew.
 */
export class RollFollower {
  readonly #subset: SubsetName;
  readonly #dependencies: RollFollowerDependencies;
  readonly #waiting = new Set<() => void>();
  #followed: Followed | undefined;
  #lease: SeenLease | undefined;
  #revision = 0;
  #isLive = false;
  #mustRead = true;

  constructor(subset: SubsetName, dependencies: RollFollowerDependencies) {
    this.#subset = subset;
    this.#dependencies = dependencies;
  }

  /** Where in the store it looks. */
  static prefixesOf(subset: SubsetName): readonly string[] {
    return [...Roll.prefixesOf(subset), subsetKeyPrefix(subset), leaseKey(subset)];
  }

  /** The newest that is known; undefined until the roll was read for the first time. */
  get served(): ServedSubset | undefined {
    return this.#followed;
  }

  /** Undefined until it was read. */
  get lease(): SeenLease | undefined {
    return this.#lease;
  }

  /** Whether the store tells of changes now, as far as is known. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Everything up to this revision is taken in. */
  get revision(): number {
    return this.#revision;
  }

  /** Resolves when something has changed, or the signal is aborted. */
  changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) return Promise.resolve();
    this.#waiting.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise.finally(() => this.#waiting.delete(resolve));
  }

  /** Resolves when everything up to the revision is taken in, while it runs. @throws the signal's reason */
  async reach(revision: number, signal: AbortSignal): Promise<void> {
    while (this.#revision < revision) {
      signal.throwIfAborted();
      await this.changed(signal);
    }
  }

  /** Takes over what somebody else has made of the roll; the store is read anew before it is followed. */
  takeBack({ subset, roll, key }: ServedSubset): void {
    this.#followed = { subset, roll, key, read: undefined };
    this.#mustRead = true;
    this.#lease = undefined;
  }

  /** Reads all of it, while it does not run. @throws StoreError, InvalidInputError, MasterError `no-authority` */
  async read(signal: AbortSignal): Promise<void> {
    await this.#read(signal);
  }

  /** Follows until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    const backoff = new Backoff(retryDelays);
    while (!signal.aborted) {
      try {
        if (this.#mustRead) await this.#read(signal);
        await this.#watch(backoff, signal);
      } catch (error) {
        if (signal.aborted) break;
        const prefix = rollPrefix(this.#subset);
        log.warn({ subset: this.#subset, prefix, error }, 'following a roll failed; trying again');
        const isOutage = error instanceof StoreError && error.code === 'unavailable';
        this.#mustRead ||= !isOutage;
      }
      this.#isLive = false;
      this.#wake();
      await clock.sleep(backoff.nextDelayMs(), signal).catch(() => undefined);
    }
    this.#isLive = false;
  }

  async #read(signal: AbortSignal): Promise<void> {
    using deadline = new Deadline(loadTimeoutMs, signal);
    const { store, events } = this.#dependencies;
    const [subset, until] = [this.#subset, deadline.signal];
    if (!this.#lease) {
      // Whoever waits for the lease need not wait for the roll.
      this.#seeLease(await store.get(leaseKey(subset), until));
      this.#wake();
    }
    const loaded = await loadRoll(subset, store, until);
    const [key, lease] = await Promise.all([
      loadSubsetKey(subset, this.#dependencies, until),
      store.get(leaseKey(subset), until),
    ]);
    const before = this.#followed;
    const { roll, revision } = loaded;
    const read = loaded.endRevision > revision ? loaded : undefined;
    this.#followed = { subset, roll, key, read };
    this.#revision = revision;
    this.#mustRead = false;
    this.#seeLease(lease);
    for (const member of before ? departedSince(before.roll, roll) : []) events.departed(member);
    if (before?.key.epoch !== key.epoch) events.keyChanged(this.#followed);
    for (const member of roll.members()) if (member.moving) events.moveOrdered(member);
    events.rollChanged(subset);
    this.#wake();
  }

  async #watch(backoff: Backoff, signal: AbortSignal): Promise<void> {
    const { store, onRollEvents } = this.#dependencies;
    const prefixes = RollFollower.prefixesOf(this.#subset);
    this.#isLive = true;
    this.#wake();
    for await (const batch of store.watch({ prefixes, afterRevision: this.#revision }, signal)) {
      backoff.reset();
      this.#isLive = true;
      this.#take(batch);
      onRollEvents(this.#subset, batch.changes.length);
    }
  }

  /** Whoever is out hears so before anybody hears of the key that is made without them. */
  #take({ revision, changes }: WatchBatch): void {
    const followed = this.#followed;
    if (!followed) return;
    const { events } = this.#dependencies;
    const epoch = followed.key.epoch;
    const departed: MemberRecord[] = [];
    try {
      for (const change of changes) departed.push(...this.#apply(change, followed));
      this.#revision = revision;
      if (followed.read && revision >= followed.read.endRevision) followed.read = undefined;
    } finally {
      // Also when a later one cannot be read: the roll that is read anew then no longer tells of them.
      for (const member of departed) events.departed(member);
    }
    if (followed.key.epoch !== epoch) events.keyChanged(followed);
    for (const member of changedMembers(changes, followed.roll)) {
      if (member.moving) events.moveOrdered(member);
    }
    events.rollChanged(this.#subset);
    this.#wake();
  }

  /** @returns the member that is out by it, if any */
  #apply(change: Change, followed: Followed): readonly MemberRecord[] {
    const [key, revision] =
      change.kind === 'put'
        ? [change.entry.key, change.entry.modRevision]
        : [change.key, change.revision];
    if (key === leaseKey(this.#subset)) {
      this.#seeLease(change.kind === 'put' ? change.entry : undefined);
      return [];
    }
    if (key.startsWith(subsetKeyPrefix(this.#subset))) {
      if (change.kind === 'put') this.#takeKey(change.entry, followed);
      return [];
    }
    if (revision <= (followed.read?.readAt.get(key) ?? 0)) return [];
    return changeRoll(change, followed.roll);
  }

  #takeKey(entry: Entry, followed: Followed): void {
    const key = this.#dependencies.keys.open(entry);
    if (key.epoch > followed.key.epoch) followed.key = key;
  }

  #seeLease(entry: Entry | undefined): void {
    const { clock, events } = this.#dependencies;
    const held = entry && {
      ...decodeRecord(actingLeaseSchema, entry.key, entry.value),
      modRevision: entry.modRevision,
    };
    // A free lease stays free from when it was first seen to be.
    if (this.#lease && this.#lease.held?.modRevision === held?.modRevision) return;
    this.#lease = { held, sinceMonotonicMs: clock.monotonicMs(), sinceMs: clock.nowMs() };
    if (held) events.leaseTaken(this.#subset);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}

/** Applies the change. @returns who is out by it */
function changeRoll(change: Change, roll: Roll): readonly MemberRecord[] {
  const name = roll.memberNameOf(change.kind === 'put' ? change.entry.key : change.key);
  const before = name && roll.findByName(name);
  roll.apply(change);
  return before && isInRoll(before) ? isOut(before, roll) : [];
}

/** As they are now, those that are still in the roll's records. */
function changedMembers(changes: readonly Change[], roll: Roll): readonly MemberRecord[] {
  return changes.flatMap((change) => {
    const name = change.kind === 'put' ? roll.memberNameOf(change.entry.key) : undefined;
    return (name && roll.findByName(name)) ?? [];
  });
}

function departedSince(before: Roll, now: Roll): readonly MemberRecord[] {
  return [...before.members()].filter(isInRoll).flatMap((member) => isOut(member, now));
}

/** The member's record as it is now, when that says that it is out, or its last one when it is gone. */
function isOut(before: MemberRecord, roll: Roll): readonly MemberRecord[] {
  const now = roll.findByName(before.name);
  if (now?.identityKey !== before.identityKey) return [before];
  return isInRoll(now) ? [] : [now];
}
