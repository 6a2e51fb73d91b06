import type { Change, WatchBatch } from '../store.ts';
import type { KeySpace } from './key-space.ts';
import type { WatchResponse } from './proto/rpc_pb.ts';
import { changeFrom, revisionOf } from './records.ts';

/**
 * Puts the responses of one watch together again: etcd splits large ones into fragments, in the midst
 * of a revision if need be. It holds back the changes of one revision at most.
 */
export class ChangeAssembler {
  readonly #keys: KeySpace;
  /** Of one revision, of which more may follow. */
  #held: readonly Change[] = [];
  #afterRevision: number;

  /** @param afterRevision what is not after it has been delivered already, and is dropped */
  constructor(afterRevision: number, keys: KeySpace) {
    this.#afterRevision = afterRevision;
    this.#keys = keys;
  }

  /** @returns all that is complete now: whole revisions, perhaps none */
  add(response: WatchResponse): WatchBatch {
    const changes = [...this.#held, ...this.#newChangesOf(response)];
    const last = changes.at(-1);
    // etcd's own revision says something about this watch only where it reports progress.
    if (!last) return this.#complete(changes, Number(response.header?.revision ?? 0n));
    const lastRevision = revisionOf(last);
    if (!response.fragment) return this.#complete(changes, lastRevision);
    const firstOfLast = changes.findIndex((change) => revisionOf(change) === lastRevision);
    this.#held = changes.slice(firstOfLast);
    return { revision: lastRevision - 1, changes: changes.slice(0, firstOfLast) };
  }

  #newChangesOf(response: WatchResponse): Change[] {
    return response.events
      .map((event) => changeFrom(event, this.#keys))
      .filter((change) => revisionOf(change) > this.#afterRevision);
  }

  #complete(changes: readonly Change[], revision: number): WatchBatch {
    this.#held = [];
    // A member that lags behind reports less progress than there has been elsewhere.
    this.#afterRevision = Math.max(this.#afterRevision, revision);
    return { revision: this.#afterRevision, changes };
  }
}
