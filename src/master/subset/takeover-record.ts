import { randomUUID } from 'node:crypto';
import type { MasterName, SubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import type { ActingChange } from '../../model/records/directory.ts';
import { type FailoverRecord, failoverRecordSchema } from '../../model/records/roll.ts';
import { failoverKey, failoverPrefix } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import type { Opportunity } from './lease-candidate.ts';
import type { SubsetState } from './subset-state.ts';

/** The newest changes of the acting master, newest first. @throws StoreError */
export async function readFailovers(
  subset: SubsetName,
  limit: number,
  store: Store,
  signal?: AbortSignal,
): Promise<FailoverRecord[]> {
  const options = { limit, reverse: true };
  const { entries } = await store.range(failoverPrefix(subset), options, signal);
  return entries.map(({ key, value }) => decodeRecord(failoverRecordSchema, key, value));
}

/**
 * How this master comes to act: undefined when it was the last to act, and goes on after a restart
 * or an outage of the store.
 */
export function planActingChange(
  { subset, to }: Pick<FailoverRecord, 'subset' | 'to'>,
  { offered, noticedAtMs }: Opportunity,
  last: FailoverRecord | undefined,
  times: { readonly takenAtMs: number; readonly actingAtMs: number },
): FailoverRecord | undefined {
  const record = { version: 1, subset, to, noticedAtMs, ...times } as const;
  if (!last) return { ...record, change: 'started' };
  if (last.to === to) return undefined;
  const change: ActingChange = offered?.change ?? 'took-over';
  return { ...record, from: last.to, change };
}

/** Writes it as the first thing that the new acting master changes. @throws as `SubsetState.commit` does */
export async function recordActingChange(
  state: SubsetState,
  record: FailoverRecord,
  master: MasterName,
): Promise<void> {
  const key = failoverKey(record.subset, record.actingAtMs, randomUUID().slice(0, 8));
  await state.commit({
    if: [{ key, modRevision: 0 }],
    then: [{ put: key, value: encodeRecord(record) }],
    audit: [{ action: 'acting-changed', actor: `master:${master}`, subject: record.to }],
  });
}
