import type {
  Change,
  Comparison,
  Entry,
  Transaction,
  TransactionResult,
} from '../../../src/store/store.ts';

/**
 * The store as simple as it can be thought of, without leases: what the real ones are compared with.
 * It is told the revision that a transaction got, because how far revisions jump is theirs to choose.
 */
export class StoreModel {
  readonly #entries = new Map<string, Entry>();
  /** Everything that ever happened, in order. */
  readonly changes: Change[] = [];

  failedComparison(comparisons: readonly Comparison[]): Comparison | undefined {
    return comparisons.find((comparison) => {
      const entry = this.#entries.get(comparison.key);
      return 'modRevision' in comparison
        ? comparison.modRevision !== (entry?.modRevision ?? 0)
        : comparison.createRevision !== (entry?.createRevision ?? 0);
    });
  }

  changesAnything({ then }: Transaction): boolean {
    return then.some((operation) => 'put' in operation || this.#entries.has(operation.delete));
  }

  apply(transaction: Transaction, revision: number): TransactionResult {
    const failed = this.failedComparison(transaction.if);
    if (failed) return { succeeded: false, revision, failed };
    for (const operation of transaction.then) {
      if ('put' in operation) this.#put(operation.put, operation.value, revision);
      else if (this.#entries.delete(operation.delete))
        this.changes.push({ kind: 'delete', key: operation.delete, revision });
    }
    return { succeeded: true, revision };
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** In key order, which is that of the UTF-8 bytes. */
  range(prefix: string): Entry[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.key.startsWith(prefix))
      .sort((one, two) => compareKeys(one.key, two.key));
  }

  #put(key: string, value: Uint8Array, revision: number): void {
    const createRevision = this.#entries.get(key)?.createRevision ?? revision;
    const entry = { key, value, createRevision, modRevision: revision };
    this.#entries.set(key, entry);
    this.changes.push({ kind: 'put', entry });
  }
}

export function compareKeys(one: string, two: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(two));
}
