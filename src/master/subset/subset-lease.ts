import type { MasterName, SubsetName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { ActingLease } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Log } from '../../runtime/log.ts';
import { leaseKey } from '../../store/keys.ts';
import type { Comparison, Entry, LeaseId, Store } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import { noLongerActing } from '../master-error.ts';

/** Long enough for a busy machine to miss a renewal, short enough for a dead master to be replaced soon. */
const leaseTtlMs = 3_000;
const renewEveryMs = 1_000;
/** A renewal that failed is tried again soon, because little time is left. */
const retryEveryMs = 200;
/** A store that does not answer within this time is asked again. */
const attemptTimeoutMs = 1_000;
/** The holder stops this long before the store would give the lease to anybody else. */
const guardMs = 250;
const watchAgainMs = 1_000;

export interface SubsetLeaseOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
  /** Of the lease key as it was last seen; 0 when nobody has it. */
  readonly seenRevision: number;
}

export interface SubsetLeaseDependencies {
  /** The roll's. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly onRenewalFailed: (subset: SubsetName) => void;
}

/**
 * Takes the lease, if nobody else has taken it since it was seen.
 * @returns undefined when somebody has
 * @throws StoreError; the lease ends by itself then
 */
export async function takeSubsetLease(
  options: SubsetLeaseOptions,
  dependencies: SubsetLeaseDependencies,
  signal: AbortSignal,
): Promise<SubsetLease | undefined> {
  using deadline = new Deadline(leaseTtlMs, signal);
  const { store, clock } = dependencies;
  const { subset, master, seenRevision } = options;
  const askedMs = clock.monotonicMs();
  const lease = await store.grantLease(leaseTtlMs, deadline.signal);
  const record: ActingLease = { version: 1, master, sinceMs: clock.nowMs() };
  const [key, value] = [leaseKey(subset), encodeRecord(record)];
  const result = await store.transact(
    { if: [{ key, modRevision: seenRevision }], then: [{ put: key, value, lease }] },
    deadline.signal,
  );
  if (result.succeeded) {
    const taken = { lease, value, revision: result.revision, askedMs };
    return new SubsetLease(options, taken, dependencies);
  }
  await store.revokeLease(lease, deadline.signal);
  return undefined;
}

/**
 * The right to change one subset's roll, for as long as the fence holds in the store. Its holder
 * judges by its own clock when it is over, counted from before the last renewal was asked for, so
 * that it stops before anybody else can begin.
 *
 * Held: it renews itself. Lost (`lost` is aborted): it was not renewed in time, was given away, was
 * ended, or the store has ended it.
 */
export class SubsetLease {
  readonly #subset: SubsetName;
  readonly #lease: LeaseId;
  /** What the lease key says while it is held. */
  readonly #value: Uint8Array;
  readonly #dependencies: SubsetLeaseDependencies;
  readonly #lost = new AbortController();
  readonly #running: Promise<unknown>;
  #revision: number;
  #endsMs: number;

  constructor(
    { subset }: Pick<SubsetLeaseOptions, 'subset'>,
    taken: {
      readonly lease: LeaseId;
      readonly value: Uint8Array;
      readonly revision: number;
      readonly askedMs: number;
    },
    dependencies: SubsetLeaseDependencies,
  ) {
    this.#subset = subset;
    this.#lease = taken.lease;
    this.#value = taken.value;
    this.#dependencies = dependencies;
    this.#revision = taken.revision;
    this.#endsMs = taken.askedMs + leaseTtlMs - guardMs;
    this.#running = Promise.all([this.#renew(), this.#watch()]);
  }

  /** Of the lease key: it was taken then, or its fence renewed; a later holder has a greater one. */
  get revision(): number {
    return this.#revision;
  }

  /** To be part of every transaction on the roll: a deposed master's late write fails. */
  get fence(): Comparison {
    return { key: leaseKey(this.#subset), modRevision: this.#revision };
  }

  /** Aborted when the lease is over, with what ended it. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Breaks the fence and puts up another: what was sent under the old one without an answer has been
   * applied by then, or never will be. Not to be called beside `offer`.
   * @throws MasterError `not-acting` when somebody else has the lease: it is lost then; StoreError when the
   *   outcome is unknown, after which it can be called again: only one of the attempts can have been applied
   */
  async renewFence(signal: AbortSignal): Promise<void> {
    const { store } = this.#dependencies;
    const put = { put: leaseKey(this.#subset), value: this.#value, lease: this.#lease };
    const { succeeded, revision } = await store.transact({ if: [this.fence], then: [put] }, signal);
    this.#revision = succeeded ? revision : await this.#findFence(signal);
  }

  /** What an earlier attempt has put up whose answer was lost. @throws MasterError `not-acting` when it was somebody else */
  async #findFence(signal: AbortSignal): Promise<number> {
    const entry = await this.#dependencies.store.get(leaseKey(this.#subset), signal);
    const isOwn = entry?.lease === this.#lease && Buffer.compare(entry.value, this.#value) === 0;
    if (isOwn) return entry.modRevision;
    const error = noLongerActing(this.#subset);
    await this.#stop(error);
    throw error;
  }

  /**
   * Makes the lease key say that it is the target's, who has until the lease's end to bind it to a
   * lease of its own. From the call on nothing more can be written under the fence.
   * @throws MasterError `not-acting` when it was lost already; StoreError when the outcome is
   *   unknown: the lease is over for this holder then as well
   */
  async offer(
    to: MasterName,
    offered: NonNullable<ActingLease['offered']>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { store, clock } = this.#dependencies;
    using deadline = new Deadline(attemptTimeoutMs, signal);
    const record: ActingLease = { version: 1, master: to, sinceMs: clock.nowMs(), offered };
    const [key, value] = [leaseKey(this.#subset), encodeRecord(record)];
    try {
      const result = await store.transact(
        { if: [this.fence], then: [{ put: key, value, lease: this.#lease }] },
        deadline.signal,
      );
      if (!result.succeeded) throw noLongerActing(this.#subset);
    } finally {
      await this.#stop(new Error(`the lease was offered to ${to}`));
    }
  }

  /** Gives it back, so that whoever acts next need not wait for its time to run out. */
  async end(): Promise<void> {
    const { store, log } = this.#dependencies;
    if (this.#lost.signal.aborted) return;
    await this.#stop(new Error('the subset is no longer acted for'));
    using deadline = new Deadline(attemptTimeoutMs);
    await store
      .revokeLease(this.#lease, deadline.signal)
      .catch((error: unknown) => log.debug({ error }, 'could not give a lease back'));
  }

  async #stop(reason: Error): Promise<void> {
    this.#lost.abort(reason);
    await this.#running;
  }

  async #renew(): Promise<void> {
    const { clock } = this.#dependencies;
    const { signal } = this.#lost;
    let waitMs = renewEveryMs;
    while (!signal.aborted) {
      const leftMs = this.#endsMs - clock.monotonicMs();
      if (leftMs <= 0) this.#lost.abort(new Error('the lease could not be renewed in time'));
      await clock.sleep(Math.min(waitMs, leftMs), signal).catch(() => undefined);
      if (signal.aborted) return;
      const dueMs = clock.monotonicMs() + renewEveryMs;
      const isRenewed = await this.#renewOnce();
      waitMs = isRenewed ? Math.max(0, dueMs - clock.monotonicMs()) : retryEveryMs;
    }
  }

  /**
   * Hears at once of the end of a lease that was renewed in time: etcd revokes those of others when a
   * leader that stood still comes back (etcd issue 15247). Who hears of it as soon as the backups do
   * takes it again before they begin.
   */
  async #watch(): Promise<void> {
    const { clock, log } = this.#dependencies;
    const { signal } = this.#lost;
    while (!signal.aborted) {
      try {
        await this.#watchOnce(signal);
      } catch (error) {
        // The renewals notice as well, only later.
        if (!signal.aborted) log.debug({ subset: this.#subset, error }, 'a lease is not watched');
      }
      await clock.sleep(watchAgainMs, signal).catch(() => undefined);
    }
  }

  async #watchOnce(signal: AbortSignal): Promise<void> {
    const { store } = this.#dependencies;
    const key = leaseKey(this.#subset);
    const { entries, revision } = await store.range(key, { limit: 1 }, signal);
    this.#judge(entries[0]);
    for await (const { changes } of store.watch(
      { prefixes: [key], afterRevision: revision },
      signal,
    )) {
      for (const change of changes) this.#judge(change.kind === 'put' ? change.entry : undefined);
    }
  }

  #judge(entry: Entry | undefined): void {
    if (entry?.lease !== this.#lease) this.#lost.abort(new Error('the store has ended the lease'));
  }

  /** @returns whether it was renewed */
  async #renewOnce(): Promise<boolean> {
    const { store, clock, log, onRenewalFailed } = this.#dependencies;
    const askedMs = clock.monotonicMs();
    const leftMs = this.#endsMs - askedMs;
    if (leftMs <= 0) return false;
    using deadline = new Deadline(Math.min(attemptTimeoutMs, leftMs), this.#lost.signal);
    try {
      await store.keepLeaseAlive(this.#lease, deadline.signal);
      this.#endsMs = askedMs + leaseTtlMs - guardMs;
      return true;
    } catch (error) {
      if (this.#lost.signal.aborted) return false;
      onRenewalFailed(this.#subset);
      log.warn({ subset: this.#subset, error }, 'could not renew the lease of a subset');
      const isOver = error instanceof StoreError && error.code === 'lease-ended';
      if (isOver) this.#lost.abort(error);
      return false;
    }
  }
}
