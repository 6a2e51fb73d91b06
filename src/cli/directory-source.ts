import type { DirectoryView } from '../api/directory-endpoints.ts';
import { HanseError } from '../model/error.ts';
import type { OperatorOptions, StoreOptions } from './common-options.ts';

/** Where a listing of the directory can come from. */
export interface DirectorySourceOptions extends StoreOptions, OperatorOptions {}

/**
 * The directory, from the store where this machine has it, which works before any master runs;
 * else from a master, as an operator. The masters are asked too when the store is out of reach.
 */
export async function readDirectory(
  options: DirectorySourceOptions,
  signal: AbortSignal,
): Promise<DirectoryView> {
  const { storeIsHere } = await import('./provisioning.ts');
  if (options.profile !== undefined || !(await storeIsHere(options))) {
    return askMasters(options, signal);
  }
  try {
    return await readStore(options);
  } catch (error) {
    if (!(error instanceof HanseError && error.code === 'unavailable')) throw error;
    // The store's own words are worth more than those of masters that nobody has heard of.
    return askMasters(options, signal).catch(() => Promise.reject(error));
  }
}

async function readStore(options: DirectorySourceOptions): Promise<DirectoryView> {
  const { withProvisioning } = await import('./provisioning.ts');
  const { readDirectoryRecords } = await import('../provision/directory-records.ts');
  const { directoryView } = await import('../api/directory-view.ts');
  return withProvisioning(options, 'existing', async ({ store, storeUrl }) =>
    directoryView(await readDirectoryRecords(store, storeUrl)),
  );
}

async function askMasters(
  options: DirectorySourceOptions,
  signal: AbortSignal,
): Promise<DirectoryView> {
  const { asOperator } = await import('./operator-session.ts');
  return asOperator(options, (client) => client.directory(signal));
}
