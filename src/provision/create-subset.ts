import { subsetIpv6Block, takeIpv4Block } from '../core/addressing.ts';
import { InvalidInputError } from '../model/error.ts';
import type { MasterName, SubsetName, VpnName } from '../model/names.ts';
import { type AuthorityRecord, encodeRecord, type SubsetRecord } from '../model/records.ts';
import { allocationKey, authorityKey, subsetKey, subsetKeyKey } from '../store/keys.ts';
import type { Operation } from '../store/store.ts';
import { type Issuer, issueIntermediate } from '../trust/certificate-authority.ts';
import { type SealingKey, seal } from '../trust/sealing.ts';
import { changeDirectory } from './allocation-retry.ts';
import { intermediatePeriod } from './certificate-lifetimes.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { firstGroupKey } from './first-group-key.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';
import { readSealingKey } from './sealing-key-file.ts';

export interface SubsetOptions {
  readonly name: SubsetName;
  readonly acting: MasterName;
  /** In the order in which they take over. */
  readonly backups: readonly MasterName[];
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
}

/** As the record's schema has it: one /64 each of the VPN's /48, without the first. */
const highestSubsetIndex = 65_535;

/**
 * Makes a subset: its addresses, its first key, and for each of its masters an authority to admit
 * members, all in one transaction and nothing on the disk.
 * @throws InvalidInputError when a master is named twice
 * @throws ProvisionError `exists`, `unknown-master`, `exhausted`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 * @throws AddressingError `ipv4-exhausted`
 */
export async function createSubset(
  options: SubsetOptions,
  dependencies: ProvisionDependencies,
): Promise<SubsetRecord> {
  requireDistinct(options);
  return changeDirectory(options.name, dependencies, async (records) => {
    requirePossible(options, records);
    const root = await openRoot(records.vpn, options.rootKeyPath);
    const sealingKey = await readSealingKey(dependencies.directory.sealingKey);
    const { record, allocation } = planSubset(options, records, dependencies.nowMs);
    const { name, acting, backups } = options;
    const issuing = { vpn: records.vpn.name, subset: name, root, sealingKey };
    const authorities = await Promise.all(
      [acting, ...backups].map((master) => authority(master, issuing, dependencies.nowMs)),
    );
    return {
      result: record,
      transaction: {
        if: [{ key: subsetKey(name), modRevision: 0 }],
        then: [
          { put: subsetKey(name), value: encodeRecord(record) },
          { put: allocationKey, value: encodeRecord(allocation) },
          firstGroupKey(subsetKeyKey(name, 1), sealingKey, dependencies.nowMs),
          ...authorities,
        ],
      },
    };
  });
}

function requireDistinct({ acting, backups }: SubsetOptions): void {
  const masters = [acting, ...backups];
  const twice = masters.find((master, index) => masters.indexOf(master) !== index);
  if (twice === undefined) return;
  throw new InvalidInputError(`master ${twice} is named twice: each master has one role`);
}

function requirePossible(
  { name, acting, backups }: SubsetOptions,
  { subsets, masters, allocation }: DirectoryRecords,
): void {
  if (subsets.some((subset) => subset.name === name)) {
    throw new ProvisionError(`subset ${name} exists already; names are never given twice`, {
      code: 'exists',
      fields: { name },
    });
  }
  const known = masters.map((master) => master.name);
  const unknown = [acting, ...backups].find((master) => !known.includes(master));
  if (unknown !== undefined) {
    throw new ProvisionError(
      `there is no master ${unknown}; the VPN has: ${known.join(', ') || 'none yet'}. Make one with \`hanse master create\``,
      { code: 'unknown-master', fields: { name: unknown } },
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
  { name, acting, backups }: SubsetOptions,
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
    createdAtMs: nowMs,
  };
  return { record, allocation: { ...taken.allocation, nextSubsetIndex: index + 1 } };
}

async function authority(
  master: MasterName,
  issuing: {
    readonly vpn: VpnName;
    readonly subset: SubsetName;
    readonly root: Issuer;
    readonly sealingKey: SealingKey;
  },
  nowMs: number,
): Promise<Operation> {
  const { vpn, subset, root, sealingKey } = issuing;
  const period = intermediatePeriod(nowMs);
  const credentials = await issueIntermediate({ vpn, subset, master, root, period });
  const key = authorityKey(subset, master);
  const record: AuthorityRecord = {
    version: 1,
    master,
    subset,
    certificate: credentials.certificatePem,
    sealedKey: seal(sealingKey, credentials.privateKeyPem, key),
  };
  return { put: key, value: encodeRecord(record) };
}
