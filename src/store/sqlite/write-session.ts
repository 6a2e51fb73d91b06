import { InvalidInputError } from '../../model/error.ts';
import type {
  Change,
  Comparison,
  LeaseId,
  Operation,
  Transaction,
  TransactionResult,
} from '../store.ts';
import { StoreError } from '../store-error.ts';
import type { ChangeLog } from './change-log.ts';
import type { CounterRow, Counters } from './counter-row.ts';
import type { EntryTable } from './entry-table.ts';
import type { LeaseTable } from './lease-table.ts';

export interface Tables {
  readonly counters: CounterRow;
  readonly entries: EntryTable;
  readonly changes: ChangeLog;
  readonly leases: LeaseTable;
}

/** History is forgotten in steps of this, so that most commits have none of it to delete. */
const compactionStepRevisions = 256;

/**
 * What may be done between `begin` and `commit` of the connection: any number of transactions, each
 * of which sees what those before it did.
 *
 * A method throws a HanseError only before its first write, so that the session can go on after it.
 * After any other error the whole session has to be rolled back.
 */
export class WriteSession {
  readonly #tables: Tables;
  readonly #stored: Counters;
  #counters: Counters;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#stored = tables.counters.read();
    this.#counters = this.#stored;
    // First of all, so that no comparison ever sees a key whose lease is over.
    this.#endAll(tables.leases.due());
  }

  /** @throws StoreError `lease-ended` */
  transact(transaction: Transaction): TransactionResult {
    const failed = transaction.if.find((comparison) => !this.#holds(comparison));
    if (failed) return { succeeded: false, revision: this.#counters.revision, failed };
    for (const operation of transaction.then) this.#checkLeaseOf(operation);
    this.#write((revision) =>
      transaction.then.flatMap((operation) => this.#apply(operation, revision)),
    );
    return { succeeded: true, revision: this.#counters.revision };
  }

  grantLease(ttlMs: number): LeaseId {
    const lastLease = this.#counters.lastLease + 1;
    this.#counters = { ...this.#counters, lastLease };
    const lease = `lease-${lastLease}` as LeaseId;
    this.#tables.leases.insert(lease, ttlMs);
    return lease;
  }

  /** @throws StoreError `lease-ended` */
  keepLeaseAlive(lease: LeaseId): void {
    if (!this.#tables.leases.renew(lease)) throw leaseEnded(lease);
  }

  endLease(lease: LeaseId): void {
    this.#write((revision) =>
      this.#tables.entries
        .deleteOfLease(lease)
        .map((key): Change => ({ kind: 'delete', key, revision })),
    );
    this.#tables.leases.delete(lease);
  }

  endLeasesOfOtherBoots(): void {
    this.#endAll(this.#tables.leases.ofOtherBoots());
  }

  /**
   * Forgets history; only a part of it is deleted at once.
   * @returns whether some is still to be deleted, by `trim`
   * @throws InvalidInputError when the revision is yet to come
   */
  compact(revision: number): boolean {
    if (revision > this.#counters.revision) {
      throw new InvalidInputError(
        `history cannot be forgotten up to revision ${revision}: the newest is ${this.#counters.revision}`,
      );
    }
    const compactedRevision = Math.max(this.#counters.compactedRevision, revision);
    this.#counters = { ...this.#counters, compactedRevision };
    return this.trim();
  }

  trim(): boolean {
    return this.#tables.changes.trim(this.#counters.compactedRevision);
  }

  /** To be called last: keeps history bounded and writes the counters. */
  finish(historyRevisions: number): void {
    const { revision, compactedRevision } = this.#counters;
    const surplus = revision - historyRevisions - compactedRevision;
    if (surplus >= compactionStepRevisions) this.compact(compactedRevision + surplus);
    else this.trim();
    if (this.#counters !== this.#stored) this.#tables.counters.write(this.#counters);
  }

  /** Does what makes changes; if there are any, they get a revision and go into the log. */
  #write(change: (revision: number) => readonly Change[]): void {
    const revision = this.#counters.revision + 1;
    const changes = change(revision);
    if (changes.length === 0) return;
    this.#counters = { ...this.#counters, revision };
    changes.forEach((each, position) => {
      this.#tables.changes.append(each, position);
    });
  }

  #apply(operation: Operation, revision: number): Change[] {
    if ('delete' in operation) {
      const key = operation.delete;
      return this.#tables.entries.delete(key) ? [{ kind: 'delete', key, revision }] : [];
    }
    const { put: key, value, lease } = operation;
    const bound = lease === undefined ? {} : { lease };
    const createRevision = this.#tables.entries.put({ key, value, revision, ...bound });
    return [
      { kind: 'put', entry: { key, value, createRevision, modRevision: revision, ...bound } },
    ];
  }

  #holds(comparison: Comparison): boolean {
    const entry = this.#tables.entries.get(comparison.key);
    return 'modRevision' in comparison
      ? (entry?.modRevision ?? 0) === comparison.modRevision
      : (entry?.createRevision ?? 0) === comparison.createRevision;
  }

  #checkLeaseOf(operation: Operation): void {
    if (!('put' in operation) || operation.lease === undefined) return;
    if (!this.#tables.leases.has(operation.lease)) throw leaseEnded(operation.lease);
  }

  #endAll(leases: readonly LeaseId[]): void {
    for (const lease of leases) this.endLease(lease);
  }
}

function leaseEnded(lease: LeaseId): StoreError {
  return new StoreError(`the lease ${lease} is over`, { code: 'lease-ended', fields: { lease } });
}
