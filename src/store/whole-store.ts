import { randomUUID } from 'node:crypto';
import { compareKeys } from './key-range.ts';
import { moveBarrierKey, movePrefix } from './keys.ts';
import type { Change, Entry, Store } from './store.ts';

/*
 * Reading a store whole, for those who move or save it. What is under `move/` is theirs and of no
 * VPN, so it is never seen here.
 */

/** Small enough for one answer of any store, though certificates make entries of some ten kilobytes. */
const pageSize = 200;
/** A barrier that a crash leaves behind goes by itself. */
const barrierTtlMs = 10_000;

/** All entries in key order, page by page: each page is of one revision, the whole is not. */
export async function* scanStore(store: Store, signal?: AbortSignal): AsyncGenerator<Entry> {
  for (let after: string | undefined; ; ) {
    const options = { limit: pageSize, ...(after === undefined ? {} : { after }) };
    const { entries } = await store.range('', options, signal);
    for (const entry of entries) if (!entry.key.startsWith(movePrefix)) yield entry;
    after = entries.at(-1)?.key;
    if (entries.length < pageSize) return;
  }
}

/** The store's revision now. */
export async function currentRevision(store: Store, signal?: AbortSignal): Promise<number> {
  return (await store.range('', { limit: 1 }, signal)).revision;
}

/**
 * Every change after a revision up to some moment during this call. Revisions alone do not tell
 * whether there were any: a store may be shared with others. So a key is written, and whatever the
 * watch delivers before it has come to its end is all there was.
 * @throws StoreError `compacted` when that history is gone
 */
export async function changesSince(
  store: Store,
  afterRevision: number,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  if ((await currentRevision(store, signal)) === afterRevision) return [];
  const barrier = moveBarrierKey(randomUUID());
  const lease = await store.grantLease(barrierTtlMs, signal);
  try {
    await store.transact(
      { if: [], then: [{ put: barrier, value: Buffer.alloc(1), lease }] },
      signal,
    );
    return await changesUntil(store, { afterRevision, barrier }, signal);
  } finally {
    await store.revokeLease(lease);
  }
}

async function changesUntil(
  store: Store,
  { afterRevision, barrier }: { readonly afterRevision: number; readonly barrier: string },
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for await (const batch of store.watch({ prefixes: [''], afterRevision }, signal)) {
    for (const change of batch.changes) {
      if (keyOf(change) === barrier) return changes;
      if (!keyOf(change).startsWith(movePrefix)) changes.push(change);
    }
  }
  signal.throwIfAborted();
  throw new Error('a watch ended that nobody had ended');
}

/** All entries of a store as they were at one moment, in key order. */
export interface Snapshot {
  readonly entries: readonly Entry[];
  /** A revision at or before that moment. */
  readonly revision: number;
}

/**
 * Reads a store whole while others write to it: pages of several revisions, and then every change
 * since before the first, so that the last word on each key is that of one moment.
 */
export async function readSnapshot(store: Store, signal: AbortSignal): Promise<Snapshot> {
  const revision = await currentRevision(store, signal);
  const entries = new Map<string, Entry>();
  for await (const entry of scanStore(store, signal)) entries.set(entry.key, entry);
  for (const change of await changesSince(store, revision, signal)) {
    if (change.kind === 'put') entries.set(change.entry.key, change.entry);
    else entries.delete(change.key);
  }
  const sorted = [...entries.values()].sort((one, other) => compareKeys(one.key, other.key));
  return { entries: sorted, revision };
}

function keyOf(change: Change): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}
