import { InvalidInputError } from '../model/error.ts';
import type { RegionName } from '../model/names.ts';
import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import {
  type RegionIdentityRecord,
  type RegionRecord,
  regionIdentityRecordSchema,
} from '../model/records/directory.ts';
import { directoryPrefix, regionIdentityKey, regionKey } from '../store/keys.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { ProvisionError } from './provision-error.ts';

export interface RegionOptions {
  readonly name: RegionName;
  /** As `openStore` takes it; every master of the region's subsets has to reach it. */
  readonly store: string;
}

/**
 * Makes a region: marks its store as the region's, then names it in the directory. Run again after a
 * crash in between it goes on with the mark that is there.
 * @throws ProvisionError `exists`, `no-vpn`, `conflict`; InvalidInputError, StoreError as `openStore`
 */
export async function createRegion(
  { name, store: url }: RegionOptions,
  { store, storeUrl, nowMs }: ProvisionDependencies,
): Promise<RegionRecord> {
  const { vpn, regions } = await readDirectoryRecords(store, storeUrl);
  if (regions.some((region) => region.name === name)) throw exists(name);
  if (url === storeUrl) throw holdsDirectory(url);
  await using regional = await openStore(url);
  await claim({ version: 1, vpnId: vpn.id, region: name }, url, regional);
  const record: RegionRecord = { version: 1, name, store: url, createdAtMs: nowMs };
  const key = regionKey(name);
  const { succeeded } = await store.transact({
    if: [{ key, modRevision: 0 }],
    then: [{ put: key, value: encodeRecord(record) }],
  });
  if (succeeded) return record;
  throw exists(name);
}

/** Marks an empty store, or finds the same mark in it. */
async function claim(identity: RegionIdentityRecord, url: string, regional: Store): Promise<void> {
  const { entries: directory } = await regional.range(directoryPrefix, { limit: 1 });
  if (directory.length > 0) throw holdsDirectory(url);
  const mark = await regional.get(regionIdentityKey);
  if (mark) return requireSame(identity, url, mark.value);
  const { entries } = await regional.range('', { limit: 1 });
  if (entries.length > 0) {
    throw new ProvisionError(
      `the store ${url} is not empty and belongs to no region: name an empty one`,
      { code: 'exists', fields: { name: url } },
    );
  }
  const { succeeded } = await regional.transact({
    if: [{ key: regionIdentityKey, modRevision: 0 }],
    then: [{ put: regionIdentityKey, value: encodeRecord(identity) }],
  });
  if (succeeded) return;
  throw new ProvisionError(`somebody else has taken the store ${url} meanwhile`, {
    code: 'conflict',
    retryable: true,
    fields: { name: url },
  });
}

function requireSame(identity: RegionIdentityRecord, url: string, mark: Uint8Array): void {
  const { vpnId, region } = decodeRecord(regionIdentityRecordSchema, regionIdentityKey, mark);
  if (vpnId === identity.vpnId && region === identity.region) return;
  const whose = vpnId === identity.vpnId ? `region ${region}` : 'a region of another VPN';
  throw new ProvisionError(
    `the store ${url} belongs to ${whose} already: one store is for one region`,
    { code: 'exists', fields: { name: url } },
  );
}

function holdsDirectory(url: string): InvalidInputError {
  return new InvalidInputError(
    `the store ${url} holds a VPN's directory: a region is for rolls that are kept elsewhere; name another store`,
    { store: url },
  );
}

function exists(name: RegionName): ProvisionError {
  return new ProvisionError(`region ${name} exists already; \`hanse region list\` shows it`, {
    code: 'exists',
    fields: { name },
  });
}
