import type { DirectoryView } from '../api/endpoints.ts';
import type { OperatorOptions, StoreOptions } from './common-options.ts';

/** Where a listing of the directory can come from. */
export interface DirectorySourceOptions extends StoreOptions, OperatorOptions {}

/**
 * The directory, from the store where this machine has it, which works before any master runs;
 * else from a master, as an operator.
 */
export async function readDirectory(
  options: DirectorySourceOptions,
  signal: AbortSignal,
): Promise<DirectoryView> {
  const { storeIsHere, withProvisioning } = await import('./provisioning.ts');
  if (options.profile === undefined && (await storeIsHere(options))) {
    const { readDirectoryRecords } = await import('../provision/directory-records.ts');
    const { directoryView } = await import('../api/directory-view.ts');
    return withProvisioning(options, 'existing', async ({ store, storeUrl }) =>
      directoryView(await readDirectoryRecords(store, storeUrl)),
    );
  }
  const { asOperator } = await import('./operator-session.ts');
  return asOperator(options, (client) => client.directory(signal));
}
