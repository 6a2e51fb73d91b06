import type { SubsetRecord } from '../model/records/directory.ts';
import { RollStores } from '../store/roll-stores.ts';
import type { Store } from '../store/store.ts';
import type { ProvisionDependencies } from './create-vpn.ts';

/**
 * Runs a task on the store that a subset's roll is in.
 * @param regionStoreUrl another way to its region's store than the directory names
 * @throws RegionError, StoreError; and what the task throws
 */
export async function withRollStore<Result>(
  { region }: Pick<SubsetRecord, 'region'>,
  regionStoreUrl: string | undefined,
  { store }: Pick<ProvisionDependencies, 'store'>,
  task: (rolls: Store) => Promise<Result>,
): Promise<Result> {
  const named = region !== undefined && regionStoreUrl !== undefined;
  const urls = named ? { [region]: regionStoreUrl } : {};
  await using stores = new RollStores({ directory: store, urls });
  return await task(await stores.of(region === undefined ? {} : { region }));
}
