import type { SubsetName } from '../../model/names.ts';
import { rollPrefix, subsetKeyPrefix } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import type { GroupKeyStore, StoredGroupKey } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import { Roll } from './roll.ts';

/** Read in pages, so that a large roll does not hold the event loop for long at a time. */
const pageSize = 1_000;

export interface LoadedRoll {
  readonly roll: Roll;
  /** A watch after it misses nothing, and may repeat what is in the roll already. */
  readonly revision: number;
  /** The reading ended at this revision; the same as above when nothing was written meanwhile. */
  readonly endRevision: number;
  /** By store key, the revision of what was read: a watch may repeat what is not later than that. */
  readonly readAt: ReadonlyMap<string, number>;
}

/** Reads a roll whole. @throws StoreError; InvalidInputError when a record does not parse */
export async function loadRoll(
  subset: SubsetName,
  store: Store,
  signal?: AbortSignal,
): Promise<LoadedRoll> {
  const roll = new Roll(subset);
  const readAt = new Map<string, number>();
  let [revision, endRevision]: [number | undefined, number] = [undefined, 0];
  for (const prefix of Roll.prefixesOf(subset)) {
    for (let after: string | undefined; ; ) {
      const from = after === undefined ? {} : { after };
      const page = await store.range(prefix, { limit: pageSize, ...from }, signal);
      revision ??= page.revision;
      endRevision = page.revision;
      for (const entry of page.entries) {
        roll.put(entry);
        readAt.set(entry.key, entry.modRevision);
      }
      after = page.entries.at(-1)?.key;
      if (page.entries.length < pageSize) break;
    }
  }
  return { roll, revision: revision ?? 0, endRevision, readAt };
}

/** The newest key of the subset. @throws MasterError `no-authority` when the store has none */
export async function loadSubsetKey(
  subset: SubsetName,
  { store, keys }: { readonly store: Store; readonly keys: GroupKeyStore },
  signal?: AbortSignal,
): Promise<StoredGroupKey> {
  const options = { limit: 1, reverse: true };
  const { entries } = await store.range(subsetKeyPrefix(subset), options, signal);
  const newest = entries[0];
  if (newest) return keys.open(newest);
  throw new MasterError(
    `the store has no key of ${subset} under ${rollPrefix(subset)}: restore it from a backup`,
    {
      code: 'no-authority',
      fields: { subset },
    },
  );
}
