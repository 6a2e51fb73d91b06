import { servedBy } from '../core/gateway-plan.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { decodeRecord } from '../model/records/codec.ts';
import { authorityRecordSchema } from '../model/records/roll.ts';
import { authorityKey } from '../store/keys.ts';
import { RollStores } from '../store/roll-stores.ts';
import type { Store } from '../store/store.ts';
import type { Issuer } from '../trust/certificate-authority.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { ProvisionError } from './provision-error.ts';
import { readSealingKey } from './sealing-key-file.ts';
import { type AuthorityGrant, grantAuthority } from './subset-authority.ts';

export interface RenewAuthoritiesOptions {
  readonly master: MasterName;
  readonly root: Issuer;
  /** Other ways to the stores of regions than the directory names. */
  readonly regionStoreUrls: Readonly<Record<string, string>>;
}

/**
 * Issues anew what a master needs to admit members, for each subset that it serves: for five more
 * years, and for all blocks that the subset has by now. One by one, so that a crash in between, or a
 * region that is out of reach, leaves the others as good as they are; done again it goes on.
 * @returns the subsets, in the order of their indices
 * @throws ProvisionError `overlap`, `conflict`; RegionError, StoreError; TrustError when a seal does not open
 */
export async function renewAuthorities(
  { master, root, regionStoreUrls }: RenewAuthoritiesOptions,
  { vpn, subsets }: DirectoryRecords,
  { directory, store, nowMs }: ProvisionDependencies,
): Promise<readonly SubsetName[]> {
  const served = subsets.filter((subset) => servedBy(subset, master));
  if (served.length === 0) return [];
  const sealingKey = await readSealingKey(directory.sealingKey);
  await using stores = new RollStores({ directory: store, urls: regionStoreUrls });
  for (const subset of served) {
    const grant = { vpn, subset, subsets, root, sealingKey, nowMs };
    await renewAuthority(master, grant, await stores.of(subset));
  }
  return served.map(({ name }) => name);
}

async function renewAuthority(
  master: MasterName,
  grant: AuthorityGrant,
  rolls: Store,
): Promise<void> {
  const key = authorityKey(grant.subset.name, master);
  const entry = await rolls.get(key);
  const before = entry && decodeRecord(authorityRecordSchema, key, entry.value);
  const put = await grantAuthority(master, grant, before);
  const { succeeded } = await rolls.transact({
    if: [{ key, modRevision: entry?.modRevision ?? 0 }],
    then: [put],
  });
  if (succeeded) return;
  const { name } = grant.subset;
  throw new ProvisionError(`somebody else has changed the authority of ${master} for ${name}`, {
    code: 'conflict',
    retryable: true,
    fields: { name },
  });
}
