import type { z } from 'zod';
import {
  type AllocationRecord,
  allocationRecordSchema,
  decodeRecord,
  type MasterRecord,
  masterRecordSchema,
  type SubsetRecord,
  subsetRecordSchema,
  type VpnRecord,
  vpnRecordSchema,
} from '../model/records.ts';
import {
  allocationKey,
  directoryPrefix,
  masterPrefix,
  subsetPrefix,
  vpnKey,
} from '../store/keys.ts';
import type { Comparison, Entry, Store } from '../store/store.ts';
import { ProvisionError } from './provision-error.ts';

/** The directory as of one revision. */
export interface DirectoryRecords {
  readonly vpn: VpnRecord;
  readonly allocation: AllocationRecord;
  /** In the order of their indices. */
  readonly masters: readonly MasterRecord[];
  readonly subsets: readonly SubsetRecord[];
  /** Holds as long as nobody has taken an index or a block since. */
  readonly unchanged: Comparison;
}

/**
 * @param storeUrl for the message only
 * @throws ProvisionError `no-vpn`; InvalidInputError when a record is damaged; StoreError
 */
export async function readDirectoryRecords(
  store: Store,
  storeUrl: string,
): Promise<DirectoryRecords> {
  const { entries } = await store.range(directoryPrefix);
  const vpn = entries.find(({ key }) => key === vpnKey);
  const allocation = entries.find(({ key }) => key === allocationKey);
  if (!vpn || !allocation) {
    throw new ProvisionError(
      `the store ${storeUrl} holds no VPN yet: make one with \`hanse vpn create NAME\`, or name the right store with --dir or --store`,
      { code: 'no-vpn', fields: { store: storeUrl } },
    );
  }
  return {
    vpn: decodeRecord(vpnRecordSchema, vpn.key, vpn.value),
    allocation: decodeRecord(allocationRecordSchema, allocation.key, allocation.value),
    masters: decodeAll(masterRecordSchema, masterPrefix, entries),
    subsets: decodeAll(subsetRecordSchema, subsetPrefix, entries),
    unchanged: { key: allocationKey, modRevision: allocation.modRevision },
  };
}

function decodeAll<S extends z.ZodType<{ readonly index: number }>>(
  schema: S,
  prefix: string,
  entries: readonly Entry[],
): readonly z.infer<S>[] {
  return entries
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key, value }) => decodeRecord(schema, key, value))
    .sort((one, other) => one.index - other.index);
}
