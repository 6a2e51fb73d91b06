/**
 * What is measured: the calls of the interface, and
 * - `commit`: one round of durable writing, which may carry many transactions;
 * - `watch`: reading one batch for one watch, not the wait for it.
 */
export type StoreOperation =
  | 'get'
  | 'range'
  | 'transact'
  | 'commit'
  | 'watch'
  | 'lease'
  | 'compact';

/** Told about every operation that has ended, well or not. It must not throw. */
export type ObserveStore = (operation: StoreOperation, seconds: number) => void;

/** Reports how long something took, however it ends. For `using`. */
export function observed(observe: ObserveStore | undefined, operation: StoreOperation): Disposable {
  const startedMs = performance.now();
  return {
    [Symbol.dispose]: () => observe?.(operation, (performance.now() - startedMs) / 1_000),
  };
}
