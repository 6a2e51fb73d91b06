import type { StatementSync } from 'node:sqlite';
import type { Change, LeaseId } from '../store.ts';
import type { Connection } from './connection.ts';

type ChangeRow = {
  readonly revision: number;
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly create_revision: number | null;
  readonly lease: string | null;
};

/**
 * Forgotten history is deleted this many revisions at a time, which takes a few milliseconds. It
 * must be above what one round of commits can add, or the log would grow without bound under load.
 */
export const trimStepRevisions = 1_024;

/** What happened, by revision. No method waits; each belongs inside a read or a write of the connection. */
export class ChangeLog {
  readonly #read: StatementSync;
  readonly #append: StatementSync;
  readonly #oldest: StatementSync;
  readonly #deleteThrough: StatementSync;

  constructor(connection: Connection) {
    this.#read = connection.prepare(
      'SELECT * FROM change WHERE revision > ? AND revision <= ? ORDER BY revision, position',
    );
    this.#append = connection.prepare(`
      INSERT INTO change (revision, position, key, value, create_revision, lease)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#oldest = connection.prepare('SELECT min(revision) AS revision FROM change');
    this.#deleteThrough = connection.prepare('DELETE FROM change WHERE revision <= ?');
  }

  /** The changes with `after` < revision <= `through`, in the order in which they happened. */
  read(after: number, through: number): Change[] {
    return (this.#read.all(after, through) as ChangeRow[]).map(changeFrom);
  }

  /** @param position the place of the change within its revision */
  append(change: Change, position: number): void {
    if (change.kind === 'put') {
      const { key, value, createRevision, modRevision, lease } = change.entry;
      this.#append.run(modRevision, position, key, value, createRevision, lease ?? null);
    } else {
      this.#append.run(change.revision, position, change.key, null, null, null);
    }
  }

  /**
   * Deletes one step of the history up to and including the revision.
   * @returns whether there is more to delete
   */
  trim(through: number): boolean {
    const { revision: oldest } = this.#oldest.get() as { revision: number | null };
    if (oldest === null || oldest > through) return false;
    const stepThrough = Math.min(through, oldest + trimStepRevisions - 1);
    this.#deleteThrough.run(stepThrough);
    return stepThrough < through;
  }
}

function changeFrom(row: ChangeRow): Change {
  const { revision, key, value, create_revision: createRevision, lease } = row;
  if (value === null || createRevision === null) return { kind: 'delete', key, revision };
  const entry = { key, value, createRevision, modRevision: revision };
  return { kind: 'put', entry: lease === null ? entry : { ...entry, lease: lease as LeaseId } };
}

/** The revision that made the change. */
export function revisionOf(change: Change): number {
  return change.kind === 'put' ? change.entry.modRevision : change.revision;
}

export function keyOf(change: Change): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}
