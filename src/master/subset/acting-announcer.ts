import type { MasterName, SubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { type ActingRecord, actingRecordSchema } from '../../model/records/directory.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Log } from '../../runtime/log.ts';
import { actingKey, leaseKey } from '../../store/keys.ts';
import type { Entry, Store } from '../../store/store.ts';
import type { Directory } from '../directory/directory.ts';

export interface AnnouncerDependencies {
  /** The roll's. */
  readonly store: Store;
  readonly directoryStore: Store;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Log;
}

/** A late write of a former holder is put right within this time. */
const lookEveryMs = 1_000;
const attemptTimeoutMs = 3_000;

/**
 * Sees to it that the directory names the holder of the lease as the acting master, for as long as
 * it is. Runs until the signal is aborted.
 */
export async function keepAnnounced(
  record: ActingRecord,
  dependencies: AnnouncerDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { directory, clock, log } = dependencies;
  const { subset, master } = record;
  const startMs = clock.monotonicMs();
  while (!signal.aborted) {
    if (directory.actings.get(subset)?.record.master !== master) {
      try {
        await announce(record, dependencies, signal);
        const tookMs = Math.round(clock.monotonicMs() - startMs);
        log.info({ subset, tookMs }, 'the directory names this master as the acting one');
      } catch (error) {
        if (!signal.aborted) log.warn({ subset, error }, 'could not tell the directory who acts');
      }
    }
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

async function announce(
  record: ActingRecord,
  dependencies: AnnouncerDependencies,
  signal: AbortSignal,
): Promise<void> {
  using deadline = new Deadline(attemptTimeoutMs, signal);
  const { directoryStore } = dependencies;
  const key = actingKey(record.subset);
  const entry = await directoryStore.get(key, deadline.signal);
  const known = entry && decodeRecord(actingRecordSchema, entry.key, entry.value);
  if (known?.master === record.master) return;
  const isLater = known !== undefined && known.leaseRevision >= record.leaseRevision;
  if (isLater && !(await holdsLease(record, dependencies, deadline.signal))) return;
  await directoryStore.transact(
    {
      if: [{ key, modRevision: entry?.modRevision ?? 0 }],
      then: [{ put: key, value: encodeRecord(record) }],
    },
    deadline.signal,
  );
}

/** A record of a later lease than the one that is held can only be of another store's life. */
async function holdsLease(
  { subset, leaseRevision }: Pick<ActingRecord, 'subset' | 'leaseRevision'>,
  { store }: AnnouncerDependencies,
  signal: AbortSignal,
): Promise<boolean> {
  const entry: Entry | undefined = await store.get(leaseKey(subset), signal);
  return entry?.modRevision === leaseRevision;
}

/** What the directory is to say of a lease. */
export function actingRecordOf(
  lease: { readonly subset: SubsetName; readonly revision: number },
  master: MasterName,
  { change, sinceMs }: Pick<ActingRecord, 'change' | 'sinceMs'>,
): ActingRecord {
  const { subset, revision: leaseRevision } = lease;
  return { version: 1, subset, master, leaseRevision, change, sinceMs };
}
