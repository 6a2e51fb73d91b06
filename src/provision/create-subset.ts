import { subsetIpv6Block, takeIpv4Block } from '../core/addressing.ts';
import type { MasterName, RegionName, SubsetName } from '../model/names.ts';
import { encodeRecord } from '../model/records/codec.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import { allocationKey, subsetKey, subsetKeyKey } from '../store/keys.ts';
import type { Operation, Store } from '../store/store.ts';
import { changeDirectory } from './allocation-retry.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { firstGroupKey } from './first-group-key.ts';
import { ProvisionError } from './provision-error.ts';
import { withRollStore } from './regional-store.ts';
import { openRoot } from './root-key.ts';
import { readSealingKey } from './sealing-key-file.ts';
import { requireServing } from './serving-masters.ts';
import { grantAuthorities } from './subset-authority.ts';

export interface SubsetOptions {
  readonly name: SubsetName;
  readonly acting: MasterName;
  /** In the order in which they take over. */
  readonly backups: readonly MasterName[];
  /** Whose store the roll is in; the directory's own unless said. */
  readonly region?: RegionName | undefined;
  /** Another way to the region's store than the directory names. */
  readonly regionStoreUrl?: string | undefined;
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
}

/** As the record's schema has it: one /64 each of the VPN's /48, without the first. */
const highestSubsetIndex = 65_535;

/**
 * Makes a subset: its addresses, its first key, and for each of its masters an authority to admit
 * members. Nothing goes to the disk, and all of it into one transaction; but in a region the roll is
 * made first, which is nobody's until the directory names the subset, and is kept when this is run
 * again after a crash in between.
 * @throws InvalidInputError when a master is named twice
 * @throws ProvisionError `exists`, `unknown-master`, `unknown-region`, `exhausted`, `overlap`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 * @throws AddressingError `ipv4-exhausted`; RegionError, StoreError for the region's store
 */
export async function createSubset(
  options: SubsetOptions,
  dependencies: ProvisionDependencies,
): Promise<SubsetRecord> {
  return changeDirectory(options.name, dependencies, async (records) => {
    requirePossible(options, records);
    const { record, allocation } = planSubset(options, records, dependencies.nowMs);
    const roll = await planRoll(record, options.rootKeyPath, records, dependencies);
    if (record.region !== undefined) {
      await withRollStore(record, options.regionStoreUrl, dependencies, (store) =>
        putRoll(roll, store),
      );
    }
    return {
      result: record,
      transaction: {
        if: [{ key: subsetKey(record.name), modRevision: 0 }],
        then: [
          { put: subsetKey(record.name), value: encodeRecord(record) },
          { put: allocationKey, value: encodeRecord(allocation) },
          ...(record.region === undefined ? [roll.key, ...roll.authorities] : []),
        ],
      },
    };
  });
}

/** What a new roll begins with. */
interface NewRoll {
  readonly key: ReturnType<typeof firstGroupKey>;
  readonly authorities: readonly Operation[];
}

async function planRoll(
  subset: SubsetRecord,
  rootKeyPath: string,
  { vpn, subsets }: DirectoryRecords,
  { directory, nowMs }: ProvisionDependencies,
): Promise<NewRoll> {
  const root = await openRoot(vpn, rootKeyPath);
  const sealingKey = await readSealingKey(directory.sealingKey);
  const grant = { vpn, subset, subsets, root, sealingKey, nowMs };
  const masters = [subset.acting, ...subset.backups];
  return {
    key: firstGroupKey(subsetKeyKey(subset.name, 1), sealingKey, nowMs),
    authorities: await grantAuthorities(masters, grant),
  };
}

/** A key that is there stays; an authority is as good as the one before it. */
async function putRoll({ key, authorities }: NewRoll, store: Store): Promise<void> {
  const isNew = { key: key.put, modRevision: 0 };
  const { succeeded } = await store.transact({ if: [isNew], then: [key, ...authorities] });
  if (!succeeded) await store.transact({ if: [], then: authorities });
}

function requirePossible(options: SubsetOptions, records: DirectoryRecords): void {
  const { name, acting, backups, region } = options;
  const { subsets, regions, allocation } = records;
  if (subsets.some((subset) => subset.name === name)) {
    throw new ProvisionError(`subset ${name} exists already; names are never given twice`, {
      code: 'exists',
      fields: { name },
    });
  }
  requireServing(acting, backups, records);
  if (region !== undefined && !regions.some((known) => known.name === region)) {
    const known = regions.map((one) => one.name).join(', ') || 'none yet';
    throw new ProvisionError(
      `there is no region ${region}; the VPN has: ${known}. Make one with \`hanse region create\``,
      { code: 'unknown-region', fields: { name: region } },
    );
  }
  if (allocation.nextSubsetIndex > highestSubsetIndex) {
    throw new ProvisionError(`a VPN has at most ${highestSubsetIndex} subsets`, {
      code: 'exhausted',
      fields: { limit: highestSubsetIndex },
    });
  }
}

function planSubset(
  { name, acting, backups, region }: SubsetOptions,
  { vpn, allocation }: DirectoryRecords,
  nowMs: number,
): { readonly record: SubsetRecord; readonly allocation: DirectoryRecords['allocation'] } {
  const index = allocation.nextSubsetIndex;
  const taken = takeIpv4Block(vpn.ipv4, allocation, vpn.ipv4BlockLength);
  const record: SubsetRecord = {
    version: 1,
    name,
    index,
    ipv6Block: subsetIpv6Block(vpn.ipv6, index),
    ipv4Blocks: [taken.block],
    acting,
    backups: [...backups],
    ...(region === undefined ? {} : { region }),
    createdAtMs: nowMs,
  };
  return { record, allocation: { ...taken.allocation, nextSubsetIndex: index + 1 } };
}
