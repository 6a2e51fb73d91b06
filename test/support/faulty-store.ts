import type { Store, Transaction, TransactionResult } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';

/** What becomes of a transaction: refused before it was applied, or its answer lost after. */
export type StoreFault = 'not applied' | 'answer lost';

/** A real store that is out of reach whenever the test says so. */
export class FaultyStore implements Store {
  readonly #store: Store;
  /** Of the next transactions, one each. */
  readonly faults: StoreFault[] = [];
  /** While set, transactions wait for it before they are begun. */
  held: Promise<void> | undefined;
  /** Transactions that were begun. */
  transactions = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async transact(transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult> {
    this.transactions += 1;
    const fault = this.faults.shift();
    await this.held;
    if (fault === 'not applied') throw outOfReach();
    const result = await this.#store.transact(transaction, signal);
    if (fault === 'answer lost') throw outOfReach();
    return result;
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
