import type { z } from 'zod';
import { decodeRecord } from '../model/records/codec.ts';
import {
  type ActingRecord,
  type AllocationRecord,
  actingRecordSchema,
  allocationRecordSchema,
  type DrainRecord,
  drainRecordSchema,
  type KeyingPhase,
  keyingRecordSchema,
  type MasterRecord,
  masterRecordSchema,
  type OperatorRecord,
  operatorRecordSchema,
  type RegionRecord,
  regionRecordSchema,
  type SubsetRecord,
  subsetRecordSchema,
  type VpnRecord,
  vpnRecordSchema,
} from '../model/records/directory.ts';
import {
  actingPrefix,
  allocationKey,
  directoryPrefix,
  drainPrefix,
  keyingKey,
  masterPrefix,
  operatorPrefix,
  regionPrefix,
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
  readonly regions: readonly RegionRecord[];
  /** Who acts now for the subsets that anybody has ever acted for. */
  readonly acting: readonly ActingRecord[];
  readonly drains: readonly DrainRecord[];
  readonly operators: readonly OperatorRecord[];
  /** Undefined for a VPN that is as it was made. */
  readonly keying: KeyingPhase | undefined;
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
  const keying = entries.find(({ key }) => key === keyingKey);
  if (!vpn || !allocation) {
    throw new ProvisionError(
      `the store ${storeUrl} holds no VPN yet: make one with \`hanse vpn create NAME\`, or name the right store with --dir or --store`,
      { code: 'no-vpn', fields: { store: storeUrl } },
    );
  }
  return {
    vpn: decodeRecord(vpnRecordSchema, vpn.key, vpn.value),
    allocation: decodeRecord(allocationRecordSchema, allocation.key, allocation.value),
    masters: byIndex(decodeAll(masterRecordSchema, masterPrefix, entries)),
    subsets: byIndex(decodeAll(subsetRecordSchema, subsetPrefix, entries)),
    regions: decodeAll(regionRecordSchema, regionPrefix, entries),
    acting: decodeAll(actingRecordSchema, actingPrefix, entries),
    drains: decodeAll(drainRecordSchema, drainPrefix, entries),
    operators: decodeAll(operatorRecordSchema, operatorPrefix, entries),
    keying: keying && decodeRecord(keyingRecordSchema, keying.key, keying.value).phase,
    unchanged: { key: allocationKey, modRevision: allocation.modRevision },
  };
}

/** In the order of the keys. */
function decodeAll<S extends z.ZodType>(
  schema: S,
  prefix: string,
  entries: readonly Entry[],
): readonly z.infer<S>[] {
  return entries
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key, value }) => decodeRecord(schema, key, value));
}

function byIndex<T extends { readonly index: number }>(records: readonly T[]): readonly T[] {
  return records.toSorted((one, other) => one.index - other.index);
}
