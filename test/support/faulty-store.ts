import type { Store, Transaction, TransactionResult } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';

/**
 * What becomes of a transaction: refused before it was applied, its answer lost after, or on its way while
 * whoever made it is told that nobody knows.
 */
export type StoreFault = 'not applied' | 'answer lost' | 'late';

/** A real store that is out of reach whenever the test says so. */
export class FaultyStore implements Store {
  readonly #store: Store;
  /** Of the next transactions, one each. */
  readonly faults: StoreFault[] = [];
  /** While set, transactions wait for it before they are begun. */
  held: Promise<void> | undefined;
  /** Transactions that were begun. */
  transactions = 0;
  readonly #late: Transaction[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult> {
    this.transactions += 1;
    const fault = this.faults.shift();
    await this.held;
    if (fault === 'late') this.#late.push(transaction);
    if (fault === 'late' || fault === 'not applied') throw outOfReach();
    const result = await this.#store.transact(transaction, signal);
    if (fault === 'answer lost') throw outOfReach();
    return result;
  }

  /** What is late arrives now. @returns for each whether it was applied */
  arrive(): Promise<boolean[]> {
    const transactions = this.#late.splice(0);
    return Promise.all(
      transactions.map(async (each) => (await this.#store.transact(each)).succeeded),
    );
  }

  get: Store['get'] = (...args) => this.#store.get(...args);
  range: Store['range'] = (...args) => this.#store.range(...args);
  watch: Store['watch'] = (...args) => this.#store.watch(...args);
  grantLease: Store['grantLease'] = (...args) => this.#store.grantLease(...args);
  keepLeaseAlive: Store['keepLeaseAlive'] = (...args) => this.#store.keepLeaseAlive(...args);
  revokeLease: Store['revokeLease'] = (...args) => this.#store.revokeLease(...args);
  compact: Store['compact'] = (...args) => this.#store.compact(...args);
  [Symbol.asyncDispose] = (): PromiseLike<void> => this.#store[Symbol.asyncDispose]();
}

function outOfReach(): StoreError {
  return new StoreError('the store is out of reach', { code: 'unavailable', retryable: true });
}
