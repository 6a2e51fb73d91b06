import { StoreError } from '../store-error.ts';
import type { Connection } from './connection.ts';

/** "Hans" in ASCII: tells our files from any other SQLite database (sqlite.org/pragma.html#pragma_application_id). */
export const applicationId = 0x48616e73;
/** Raised by one with each change of the form; the changes so far: 1 (2026-11), the first. */
export const schemaVersion = 1;

/**
 * - `counter`: the one row of numbers that only grow. History up to and including
 *   `compacted_revision` is forgotten, though some of it may still have to be deleted.
 * - `entry`: what the store holds now.
 * - `change`: what happened, in order; a NULL value is a deletion. Every revision from
 *   `compacted_revision` + 1 to `revision` has at least one row.
 * - `lease`: `ends_at_ms` is a reading of the boot clock of the boot `boot_id`.
 */
const tables = `
  CREATE TABLE counter (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    revision INTEGER NOT NULL,
    compacted_revision INTEGER NOT NULL,
    last_lease INTEGER NOT NULL
  ) STRICT;
  INSERT INTO counter VALUES (1, 0, 0, 0);

  CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    lease TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entry_by_lease ON entry (lease) WHERE lease IS NOT NULL;

  CREATE TABLE change (
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,
    value BLOB,
    create_revision INTEGER,
    lease TEXT,
    PRIMARY KEY (revision, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lease (
    id TEXT PRIMARY KEY,
    ttl_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    ends_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX lease_by_end ON lease (ends_at_ms);

  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`;

/**
 * Makes an empty file a store; leaves a store as it is. Either all of the schema is there or none,
 * whenever the process dies and however many open the file at once.
 * @throws StoreError `corrupt` when the file is something else or of a later version
 * @throws SQLite's "busy" when it is to be tried again
 */
export function prepareSchema(connection: Connection, path: string): void {
  // Before anything is changed: a database that is not ours must stay as it is.
  if (isPrepared(connection, path)) return;
  if (connection.pragma('journal_mode = WAL') !== 'wal') {
    throw new StoreError(
      `the file system of ${path} cannot share memory between processes: use a local disk`,
      { code: 'unavailable', fields: { operation: 'open' } },
    );
  }
  connection.begin();
  try {
    if (!isPrepared(connection, path)) connection.exec(tables);
    connection.commit();
  } finally {
    connection.rollback();
  }
}

function isPrepared(connection: Connection, path: string): boolean {
  const id = connection.pragma('application_id');
  const version = connection.pragma('user_version');
  if (id === applicationId && version === schemaVersion) return true;
  if (id === applicationId && typeof version === 'number' && version > schemaVersion) {
    throw corrupt(
      path,
      `${path} is a store of version ${version}, and this program knows versions up to ${schemaVersion}: use a newer one`,
    );
  }
  if (connection.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined || id !== 0)
    throw corrupt(path, `${path} is a database of another program, not a store`);
  return false;
}

function corrupt(path: string, message: string): StoreError {
  return new StoreError(message, { code: 'corrupt', fields: { path } });
}
