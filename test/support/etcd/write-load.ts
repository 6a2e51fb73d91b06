import assert from 'node:assert/strict';
import type { Store } from '../../../src/store/store.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import { until } from '../until.ts';

interface Acknowledgement {
  readonly key: string;
  readonly revision: number;
  readonly atMs: number;
}

const keyPrefix = 'load/';
/** A cluster of which most members start again on a busy machine. */
const deadlineMs = 120_000;

/**
 * Writers that never stop, each one key after the other, as a careful caller does it: every write is
 * conditional, and one of unknown outcome is looked up before the next. All that they are told is kept.
 */
export class WriteLoad implements AsyncDisposable {
  readonly acknowledged: Acknowledgement[] = [];
  /** Writes that failed with `unavailable`. */
  failures = 0;
  /** Of these, those that had been made all the same. */
  madeAllTheSame = 0;
  readonly #store: Store;
  readonly #stop = new AbortController();
  readonly #writing: Promise<unknown>;

  private constructor(store: Store, writerCount: number) {
    this.#store = store;
    const writers = Array.from({ length: writerCount }, (_, writer) => this.#writeOn(writer));
    this.#writing = Promise.all(writers);
    this.#writing.catch(() => undefined); // For `stop` to tell.
  }

  static start(store: Store, writerCount = 8): WriteLoad {
    return new WriteLoad(store, writerCount);
  }

  /** Resolves when so many more writes have been acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await until(`${wanted} writes`, () => this.acknowledged.length >= wanted, deadlineMs);
  }

  /** @throws what no writer should have met */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
  }

  /** The longest time without any acknowledgement. */
  get longestGapMs(): number {
    const times = this.acknowledged.map(({ atMs }) => atMs);
    return Math.max(0, ...times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs)));
  }

  /** That the store holds what was acknowledged, once and at its revision. Call it after `stop`. */
  async check(store: Store): Promise<ReadonlyMap<string, number>> {
    const { entries } = await store.range(keyPrefix);
    const written = new Map(entries.map((entry) => [entry.key, entry.modRevision]));
    for (const { key, revision } of this.acknowledged)
      assert.equal(written.get(key), revision, `${key} was acknowledged`);
    for (const entry of entries)
      assert.equal(entry.createRevision, entry.modRevision, `${entry.key} was written twice`);
    assert.equal(written.size, this.acknowledged.length + this.madeAllTheSame);
    return written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#writing.catch(() => undefined);
  }

  async #writeOn(writer: number): Promise<void> {
    for (let number = 0; !this.#stop.signal.aborted; number += 1) {
      const key = `${keyPrefix}${writer}/${String(number).padStart(6, '0')}`;
      let isWritten = false;
      while (!isWritten) isWritten = await this.#write(key);
    }
  }

  async #write(key: string): Promise<boolean> {
    try {
      const result = await this.#store.transact({
        if: [{ key, modRevision: 0 }],
        then: [{ put: key, value: Buffer.from(key) }],
      });
      // An earlier try, of unknown outcome, came late.
      if (!result.succeeded) this.madeAllTheSame += 1;
      else this.acknowledged.push({ key, revision: result.revision, atMs: performance.now() });
      return true;
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
      this.failures += 1;
      return false;
    }
  }
}
