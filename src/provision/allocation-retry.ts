import type { Transaction } from '../store/store.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { type DirectoryRecords, readDirectoryRecords } from './directory-records.ts';
import { ProvisionError } from './provision-error.ts';

/** Each attempt that fails is another command that succeeded; so many at once nobody runs by hand. */
const mostAttempts = 20;

/**
 * Plans a transaction from the directory and applies it, and plans again when somebody else took an
 * index or a block in between. Everything that `plan` does must be harmless to do again.
 * @param name for the message only
 * @throws ProvisionError `conflict`, and whatever `plan` throws
 */
export async function changeDirectory<Result>(
  name: string,
  { store, storeUrl }: ProvisionDependencies,
  plan: (records: DirectoryRecords) => Promise<{
    readonly transaction: Transaction;
    readonly result: Result;
  }>,
): Promise<Result> {
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const records = await readDirectoryRecords(store, storeUrl);
    const { transaction, result } = await plan(records);
    const { succeeded } = await store.transact({
      ...transaction,
      if: [records.unchanged, ...transaction.if],
    });
    if (succeeded) return result;
  }
  throw new ProvisionError(`others keep changing the directory: ${name} was not made`, {
    code: 'conflict',
    retryable: true,
    fields: { name },
  });
}
