import type { MasterName, SubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { restoredRecordSchema } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { restoredKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import type { GroupKeyStore, StoredGroupKey } from '../group-key-store.ts';
import type { RollWriter } from './roll-writer.ts';

export interface RestorationOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
  /** The newest that the store has. */
  readonly key: StoredGroupKey;
}

export interface RestorationDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly keys: GroupKeyStore;
  readonly writer: RollWriter;
}

/**
 * Takes a roll into use that came out of a backup; any other is left alone. The backup's key may be
 * known to members who were put out after the backup was made, so it is replaced before anybody is
 * served, in the transaction that also deletes the mark.
 * @returns the key to serve with
 * @throws as `RollWriter.commit` does
 */
export async function takeIntoUse(
  { subset, master, key }: RestorationOptions,
  { store, clock, keys, writer }: RestorationDependencies,
): Promise<StoredGroupKey> {
  const mark = await store.get(restoredKey(subset));
  if (!mark) return key;
  const { backupAtMs } = decodeRecord(restoredRecordSchema, mark.key, mark.value);
  const rotation = keys.planRotation(key, clock.nowMs());
  const revision = await writer.commit({
    if: [{ key: mark.key, modRevision: mark.modRevision }, ...rotation.if],
    then: [{ delete: mark.key }, ...rotation.then],
    audit: [
      {
        action: 'subset-restored',
        actor: `master:${master}`,
        subject: `backup of ${new Date(backupAtMs).toISOString()}`,
      },
    ],
    epoch: rotation.next.epoch,
  });
  return { ...rotation.next, revision };
}
