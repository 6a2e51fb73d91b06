import type { Change, Store, WatchBatch, WatchOptions } from '../../../src/store/store.ts';
import { within } from './wait.ts';

/** A watch that is read by hand, one batch at a time. */
export interface OpenWatch extends AsyncDisposable {
  readonly iterator: AsyncIterator<WatchBatch>;
  readonly stop: AbortController;
}

export function openWatch(store: Store, options: WatchOptions): OpenWatch {
  const stop = new AbortController();
  const iterator = store.watch(options, stop.signal)[Symbol.asyncIterator]();
  return { iterator, stop, [Symbol.asyncDispose]: async () => stop.abort() };
}

/** Watches until there have been so many changes, and gives all batches up to then. */
export async function takeBatches(
  store: Store,
  options: WatchOptions,
  changeCount: number,
): Promise<WatchBatch[]> {
  await using watch = openWatch(store, options);
  const batches: WatchBatch[] = [];
  let changes = 0;
  while (changes < changeCount) {
    const result = await within(
      `${changeCount} changes, ${changes} have come`,
      watch.iterator.next(),
    );
    if (result.done) break;
    batches.push(result.value);
    changes += result.value.changes.length;
  }
  return batches;
}

export async function takeChanges(
  store: Store,
  options: WatchOptions,
  changeCount: number,
): Promise<Change[]> {
  const batches = await takeBatches(store, options, changeCount);
  return batches.flatMap((batch) => batch.changes);
}

/** The changes in a form that reads well when two lists differ. */
export function summaries(changes: readonly Change[]): string[] {
  return changes.map((change) =>
    change.kind === 'put'
      ? `${change.entry.modRevision} put ${change.entry.key}=${Buffer.from(change.entry.value).toString('latin1')} since ${change.entry.createRevision}`
      : `${change.revision} delete ${change.key}`,
  );
}

export function revisionOf(change: Change): number {
  return change.kind === 'put' ? change.entry.modRevision : change.revision;
}
