import assert from 'node:assert/strict';
import type { Change, Store } from '../../../src/store/store.ts';
import { until } from '../until.ts';

const deadlineMs = 120_000;

/** A watch that keeps all that it is told, and never ends by itself. */
export class WatchedChanges implements AsyncDisposable {
  readonly changes: Change[] = [];
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  #failure: unknown;

  /** @param pause how long to take for each batch, for a consumer that is slow */
  constructor(
    store: Store,
    options: { readonly prefixes: readonly string[]; readonly afterRevision: number },
    pause: () => Promise<unknown> = async () => undefined,
  ) {
    this.#watching = this.#watch(store, options, pause).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** That in the end it has seen exactly these keys, each one once, in the order of their revisions. */
  async checkAll(written: ReadonlyMap<string, number>): Promise<void> {
    await until('all changes were seen', () => this.#hasAsMany(written.size), deadlineMs);
    const expected = [...written].toSorted(([, one], [, other]) => one - other);
    const seen = this.changes.map((change) =>
      change.kind === 'put'
        ? [change.entry.key, change.entry.modRevision]
        : [change.key, 'deleted'],
    );
    assert.deepEqual(seen, expected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  #hasAsMany(count: number): boolean {
    if (this.#failure) throw this.#failure;
    return this.changes.length >= count;
  }

  async #watch(
    store: Store,
    options: { readonly prefixes: readonly string[]; readonly afterRevision: number },
    pause: () => Promise<unknown>,
  ): Promise<void> {
    for await (const batch of store.watch(options, this.#stop.signal)) {
      this.changes.push(...batch.changes);
      await pause();
    }
  }
}
