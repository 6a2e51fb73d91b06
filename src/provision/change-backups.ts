import type { MasterName, SubsetName } from '../model/names.ts';
import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import {
  actingRecordSchema,
  type SubsetRecord,
  subsetRecordSchema,
} from '../model/records/directory.ts';
import { actingKey, authorityKey, authorityPrefix, subsetKey } from '../store/keys.ts';
import type { Comparison, Entry, Store } from '../store/store.ts';
import { changeDirectory } from './allocation-retry.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { type DirectoryRecords, readDirectoryRecords } from './directory-records.ts';
import { ProvisionError } from './provision-error.ts';
import { withRollStore } from './regional-store.ts';
import { openRoot } from './root-key.ts';
import { readSealingKey } from './sealing-key-file.ts';
import { requireServing } from './serving-masters.ts';
import { grantAuthorities } from './subset-authority.ts';

export interface BackupsOptions {
  readonly subset: SubsetName;
  /** All of them from now on, in the order in which they take over the subset's first block. */
  readonly backups: readonly MasterName[];
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
  /** Another way to the store of the subset's region than the directory names. */
  readonly regionStoreUrl?: string | undefined;
}

/**
 * Changes which masters back a subset up. New ones get their authority in the roll first, then the
 * directory names them, and then those that are backups no more lose theirs: a crash in between
 * leaves an authority too many, which the same command, run again, takes away.
 * @throws InvalidInputError for masters that cannot be
 * @throws ProvisionError `unknown-subset`, `unknown-master`, `still-acting`, `overlap`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 * @throws RegionError, StoreError
 */
export async function changeBackups(
  options: BackupsOptions,
  dependencies: ProvisionDependencies,
): Promise<SubsetRecord> {
  const { subset, regionStoreUrl } = options;
  const { subsets } = await readDirectoryRecords(dependencies.store, dependencies.storeUrl);
  // A subset's region is chosen when it is made, so it is the same whoever else changes the record.
  const found = requireSubset(subset, subsets);
  return withRollStore(found, regionStoreUrl, dependencies, async (rolls) => {
    let superfluous: readonly Entry[] = [];
    const record = await changeDirectory(subset, dependencies, async (records) => {
      const plan = await planBackups(options, records, dependencies.store);
      superfluous = await prepareAuthorities(options, plan, { ...dependencies, rolls });
      return {
        result: plan.record,
        transaction: {
          if: plan.unchanged,
          then: [{ put: subsetKey(subset), value: encodeRecord(plan.record) }],
        },
      };
    });
    await removeAuthorities(superfluous, rolls);
    return record;
  });
}

interface BackupsPlan {
  readonly records: Pick<DirectoryRecords, 'vpn' | 'subsets'>;
  readonly before: SubsetRecord;
  readonly record: SubsetRecord;
  /** Holds as long as nobody has changed the subset, or taken it over. */
  readonly unchanged: readonly Comparison[];
}

async function planBackups(
  { subset, backups }: BackupsOptions,
  records: DirectoryRecords,
  store: Store,
): Promise<BackupsPlan> {
  const [entry, acting] = await Promise.all([
    store.get(subsetKey(subset)),
    store.get(actingKey(subset)),
  ]);
  if (!entry) throw unknownSubset(subset, records.subsets);
  const before = decodeRecord(subsetRecordSchema, entry.key, entry.value);
  requireServing(before.acting, backups, records);
  const now = acting && decodeRecord(actingRecordSchema, acting.key, acting.value).master;
  if (now !== undefined && now !== before.acting && !backups.includes(now)) {
    throw new ProvisionError(
      `${now} acts for ${subset} now and has to stay its backup: give the subset back first with \`hanse master return ${before.acting}\``,
      { code: 'still-acting', fields: { name: now } },
    );
  }
  return {
    records,
    before,
    record: { ...before, backups: [...backups] },
    unchanged: [
      { key: entry.key, modRevision: entry.modRevision },
      { key: actingKey(subset), modRevision: acting?.modRevision ?? 0 },
    ],
  };
}

/**
 * Gives every new backup its authority. It is always a new one, so that somebody who removes backups
 * at the same time, and saw only the old one, leaves it alone.
 * @returns the authorities that are to go once the directory has changed
 */
async function prepareAuthorities(
  { subset, backups, rootKeyPath }: BackupsOptions,
  { records: { vpn, subsets }, before }: BackupsPlan,
  { directory, rolls, nowMs }: ProvisionDependencies & { readonly rolls: Store },
): Promise<readonly Entry[]> {
  const { entries } = await rolls.range(authorityPrefix(subset));
  const root = await openRoot(vpn, rootKeyPath);
  const sealingKey = await readSealingKey(directory.sealingKey);
  const has = (master: MasterName): boolean =>
    entries.some(({ key }) => key === authorityKey(subset, master));
  const added = backups.filter((master) => !before.backups.includes(master) || !has(master));
  const grant = { vpn, subset: before, subsets, root, sealingKey, nowMs };
  const then = await grantAuthorities(added, grant);
  if (then.length > 0) await rolls.transact({ if: [], then });
  const kept = new Set([before.acting, ...backups].map((master) => authorityKey(subset, master)));
  return entries.filter(({ key }) => !kept.has(key));
}

/** Each by itself: one that has been given anew meanwhile stays. */
async function removeAuthorities(entries: readonly Entry[], rolls: Store): Promise<void> {
  for (const { key, modRevision } of entries) {
    await rolls.transact({ if: [{ key, modRevision }], then: [{ delete: key }] });
  }
}

function requireSubset(subset: SubsetName, subsets: readonly SubsetRecord[]): SubsetRecord {
  const found = subsets.find(({ name }) => name === subset);
  if (found) return found;
  throw unknownSubset(subset, subsets);
}

function unknownSubset(subset: SubsetName, subsets: readonly SubsetRecord[]): ProvisionError {
  const known = subsets.map(({ name }) => name).join(', ') || 'none yet';
  return new ProvisionError(`there is no subset ${subset}; the VPN has: ${known}`, {
    code: 'unknown-subset',
    fields: { name: subset },
  });
}
