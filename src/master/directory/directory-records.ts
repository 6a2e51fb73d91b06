import { type PlacementPolicy, placementPolicySchema } from '../../core/placement/policy.ts';
import type { MasterName, OperatorName, SubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import {
  actingRecordSchema,
  drainRecordSchema,
  keyingRecordSchema,
  masterRecordSchema,
  operatorRecordSchema,
  type PlacementPolicyRecord,
  placementPolicyRecordSchema,
  subsetRecordSchema,
} from '../../model/records/directory.ts';
import { parseConfig } from '../../runtime/config-text.ts';
import {
  actingPrefix,
  backboneKeyPrefix,
  drainPrefix,
  keyingKey,
  masterPrefix,
  operatorPrefix,
  placementPolicyKey,
  sharedKeyKey,
  subsetPrefix,
} from '../../store/keys.ts';
import type { Entry } from '../../store/store.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import type { SealingKey } from '../../trust/sealing.ts';
import type { GroupKeyStore } from '../group-key-store.ts';
import { openSharedKey } from '../keying/shared-key.ts';
import { MasterError } from '../master-error.ts';
import type { Directory, Known } from './directory.ts';

export interface RecordReader {
  readonly directory: Directory;
  readonly backboneKeys: GroupKeyStore;
  readonly sealingKey: SealingKey;
  readonly nowMs: number;
}

/**
 * Takes a stored entry into the directory.
 * @throws HanseError when it does not hold; nothing has changed then, but the revision of the policy
 */
export async function putDirectoryEntry(entry: Entry, reader: RecordReader): Promise<void> {
  const { key, value, modRevision: revision } = entry;
  const { directory } = reader;
  if (key.startsWith(masterPrefix)) await putMaster(entry, reader);
  else if (key.startsWith(subsetPrefix)) {
    const record = decodeRecord(subsetRecordSchema, key, value);
    directory.subsets.set(record.name, { record, revision });
  } else if (key.startsWith(actingPrefix)) {
    const record = decodeRecord(actingRecordSchema, key, value);
    directory.actings.set(record.subset, { record, revision });
  } else if (key.startsWith(drainPrefix)) {
    const record = decodeRecord(drainRecordSchema, key, value);
    directory.drains.set(record.master, { record, revision });
  } else if (key.startsWith(operatorPrefix)) {
    const record = decodeRecord(operatorRecordSchema, key, value);
    directory.operators.set(record.name, { record, revision });
  } else if (key.startsWith(backboneKeyPrefix)) {
    const opened = reader.backboneKeys.open(entry);
    const newest = directory.backboneKey;
    if (!newest || opened.epoch > newest.epoch) directory.backboneKey = opened;
  } else if (key === keyingKey) {
    directory.keying = { record: decodeRecord(keyingRecordSchema, key, value), revision };
  } else if (key === sharedKeyKey) {
    directory.sharedKey = openSharedKey(entry, reader.sealingKey);
  } else if (key === placementPolicyKey) {
    // Whatever it says, that there is one counts: without it, everything would be allowed.
    directory.storedPolicy = { ...directory.storedPolicy, revision };
    const record = decodeRecord(placementPolicyRecordSchema, key, value);
    directory.storedPolicy = { policy: readPolicy(record, key), revision };
  }
}

export function deleteDirectoryEntry(key: string, directory: Directory): void {
  if (key.startsWith(masterPrefix)) {
    directory.masters.delete(key.slice(masterPrefix.length) as MasterName);
  } else if (key.startsWith(subsetPrefix)) {
    directory.subsets.delete(key.slice(subsetPrefix.length) as SubsetName);
  } else if (key.startsWith(actingPrefix)) {
    directory.actings.delete(key.slice(actingPrefix.length) as SubsetName);
  } else if (key.startsWith(drainPrefix)) {
    directory.drains.delete(key.slice(drainPrefix.length) as MasterName);
  } else if (key.startsWith(operatorPrefix)) {
    directory.operators.delete(key.slice(operatorPrefix.length) as OperatorName);
  } else if (key === keyingKey) {
    directory.keying = undefined;
  } else if (key === sharedKeyKey) {
    directory.sharedKey = undefined;
  } else if (key === placementPolicyKey) {
    directory.storedPolicy = undefined;
  }
}

/** Takes out what the store does not have any more. @param kept the keys that it has */
export function deleteAllExcept(kept: ReadonlySet<string>, directory: Directory): void {
  const { masters, subsets, actings, drains, operators } = directory;
  const prefixed: readonly [string, ReadonlyMap<string, Known<unknown>>][] = [
    [masterPrefix, masters],
    [subsetPrefix, subsets],
    [actingPrefix, actings],
    [drainPrefix, drains],
    [operatorPrefix, operators],
  ];
  const known = prefixed.flatMap(([prefix, records]) =>
    [...records.keys()].map((name) => `${prefix}${name}`),
  );
  for (const key of [...known, keyingKey, sharedKeyKey, placementPolicyKey]) {
    if (!kept.has(key)) deleteDirectoryEntry(key, directory);
  }
}

/** @throws InvalidInputError with the line and column of the text, when this version cannot read it */
function readPolicy({ text, written }: PlacementPolicyRecord, key: string): PlacementPolicy {
  const policy = placementPolicySchema.safeParse(written);
  return policy.success ? policy.data : parseConfig(text, key, placementPolicySchema);
}

async function putMaster(
  { key, value, modRevision }: Entry,
  { directory, nowMs }: RecordReader,
): Promise<void> {
  const record = decodeRecord(masterRecordSchema, key, value);
  const { vpn, masters } = directory;
  const { wireguardKeys } = await verifyChain({
    chain: record.chain,
    root: vpn.rootCertificate,
    nowMs,
    expected: { kind: 'master', vpn: vpn.name, name: record.name },
  });
  const { members, backbone } = wireguardKeys;
  if (!members || !backbone) {
    throw new MasterError(
      `the certificate of ${record.name} binds no WireGuard keys for members and backbone`,
      {
        code: 'no-authority',
        fields: { master: record.name },
      },
    );
  }
  masters.set(record.name, { record, revision: modRevision, keys: { members, backbone } });
}
