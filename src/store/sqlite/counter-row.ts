import type { StatementSync } from 'node:sqlite';
import type { Connection } from './connection.ts';

/** None of them ever goes down. */
export interface Counters {
  /** The newest. */
  readonly revision: number;
  /** History up to and including this one is forgotten. */
  readonly compactedRevision: number;
  /** The number in the newest lease's id. */
  readonly lastLease: number;
}

type CounterColumns = {
  readonly revision: number;
  readonly compacted_revision: number;
  readonly last_lease: number;
};

/** The store's counters. No method waits; each belongs inside a read or a write of the connection. */
export class CounterRow {
  readonly #read: StatementSync;
  readonly #write: StatementSync;

  constructor(connection: Connection) {
    this.#read = connection.prepare('SELECT * FROM counter');
    this.#write = connection.prepare(
      'UPDATE counter SET revision = ?, compacted_revision = ?, last_lease = ?',
    );
  }

  read(): Counters {
    const row = this.#read.get() as CounterColumns;
    return {
      revision: row.revision,
      compactedRevision: row.compacted_revision,
      lastLease: row.last_lease,
    };
  }

  write({ revision, compactedRevision, lastLease }: Counters): void {
    this.#write.run(revision, compactedRevision, lastLease);
  }
}
