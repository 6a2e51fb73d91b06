import type { MasterName, SubsetName } from '../../model/names.ts';
import { actingLeaseSchema, decodeRecord, encodeRecord } from '../../model/records.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { leaseKey } from '../../store/keys.ts';
import type { Comparison, Entry, LeaseId, Store } from '../../store/store.ts';

/** Long enough for a busy machine to miss two renewals, short enough for a dead master to be replaced soon. */
const leaseTtlMs = 3_000;
const renewEveryMs = 1_000;
const retryEveryMs = 500;

export interface SubsetLeaseOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

export interface SubsetLeaseDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** The right to change one subset's roll, for as long as the comparison holds in the store. */
export interface HeldLease {
  /** To be part of every transaction on the roll: a deposed master's late write fails. */
  readonly fence: Comparison;
  /** Aborted when the lease is lost. */
  readonly lost: AbortSignal;
}

/**
 * Takes the subset's lease and keeps it, and takes it again when it was lost.
 * `act` runs while it is held; it must end soon after `lost`.
 */
export async function holdSubsetLease(
  options: SubsetLeaseOptions,
  dependencies: SubsetLeaseDependencies,
  act: (held: HeldLease) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = dependencies;
  while (!signal.aborted) {
    try {
      await holdOnce(options, dependencies, act, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ subset: options.subset, error }, 'cannot act for the subset now; trying again');
    }
    await clock.sleep(retryEveryMs, signal).catch(() => undefined);
  }
}

async function holdOnce(
  options: SubsetLeaseOptions,
  dependencies: SubsetLeaseDependencies,
  act: (held: HeldLease) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { store, log } = dependencies;
  const lease = await store.grantLease(leaseTtlMs, signal);
  const revision = await takeKey(options, dependencies, lease, signal);
  if (revision === undefined) return store.revokeLease(lease, signal);
  log.debug({ subset: options.subset, revision }, 'holding the lease of the subset');
  const lost = new AbortController();
  const stop = AbortSignal.any([signal, lost.signal]);
  const renewing = renew(lease, dependencies, stop).catch((error: unknown) => lost.abort(error));
  try {
    await act({ fence: { key: leaseKey(options.subset), modRevision: revision }, lost: stop });
  } finally {
    lost.abort(new Error('the subset is no longer acted for'));
    await renewing;
    // The key goes at once, so that whoever acts next need not wait for the time to run out.
    await store
      .revokeLease(lease)
      .catch((error: unknown) => log.debug({ error }, 'could not give the lease back'));
  }
}

/** Free, or ours from before a crash: the same name is never run by two processes (see `lockDirectory`). */
async function takeKey(
  { subset, master }: SubsetLeaseOptions,
  { store, clock }: SubsetLeaseDependencies,
  lease: LeaseId,
  signal: AbortSignal,
): Promise<number | undefined> {
  const key = leaseKey(subset);
  const entry = await store.get(key, signal);
  if (entry && holderOf(entry) !== master) return undefined;
  const value = encodeRecord({ version: 1, master, sinceMs: clock.nowMs() });
  const result = await store.transact(
    { if: [{ key, modRevision: entry?.modRevision ?? 0 }], then: [{ put: key, value, lease }] },
    signal,
  );
  return result.succeeded ? result.revision : undefined;
}

function holderOf(entry: Entry): MasterName {
  return decodeRecord(actingLeaseSchema, entry.key, entry.value).master;
}

async function renew(
  lease: LeaseId,
  { store, clock }: SubsetLeaseDependencies,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(renewEveryMs, signal).catch(() => undefined);
    if (!signal.aborted) await store.keepLeaseAlive(lease, signal);
  }
}
