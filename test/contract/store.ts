import { describe } from 'node:test';
import { describeDurability } from './store/durability.ts';
import { describeEntries } from './store/entries.ts';
import { describeLeases } from './store/leases.ts';
import type { StoreHarness } from './store/store-bed.ts';
import { describeTransactions } from './store/transactions.ts';
import { describeWatches } from './store/watches.ts';

/**
 * What `src/store/store.ts` promises, tried on one implementation with handles and real processes.
 * It sees the store only through the interface, so every implementation runs the same tests.
 */
export function describeStoreContract(name: string, harness: StoreHarness): void {
  describe(`the store contract on ${name}`, () => {
    describeEntries(harness);
    describeTransactions(harness);
    describeWatches(harness);
    describeLeases(harness);
    describeDurability(harness);
  });
}
