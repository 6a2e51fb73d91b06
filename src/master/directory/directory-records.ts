import type { MasterName, OperatorName, SubsetName } from '../../model/names.ts';
import {
  actingRecordSchema,
  decodeRecord,
  drainRecordSchema,
  masterRecordSchema,
  operatorRecordSchema,
  subsetRecordSchema,
} from '../../model/records.ts';
import {
  actingPrefix,
  backboneKeyPrefix,
  drainPrefix,
  masterPrefix,
  operatorPrefix,
  subsetPrefix,
} from '../../store/keys.ts';
import type { Entry } from '../../store/store.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import type { GroupKeyStore } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import type { Directory, Known } from './directory.ts';

export interface RecordReader {
  readonly directory: Directory;
  readonly backboneKeys: GroupKeyStore;
  readonly nowMs: number;
}

/** Takes a stored entry into the directory. @throws HanseError when it does not hold; nothing has changed then */
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
  for (const key of known) if (!kept.has(key)) deleteDirectoryEntry(key, directory);
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
