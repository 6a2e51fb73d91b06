import type { Store, Transaction, TransactionResult } from '../../src/store/store.ts';

/** A store whose process dies at one of its transactions, the first is 0: that one and all later are not made. */
export function dyingStore(store: Store, lives = 0): Store {
  let made = 0;
  return new Proxy(store, {
    get(target, name) {
      if (name === 'transact') {
        return (transaction: Transaction): Promise<TransactionResult> => {
          if (made >= lives) return Promise.reject(new Error('died'));
          made += 1;
          return target.transact(transaction);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
