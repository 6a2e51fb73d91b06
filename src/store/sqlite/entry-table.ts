import type { StatementSync } from 'node:sqlite';
import { keyAfter, prefixEnd } from '../key-range.ts';
import type { Entry, LeaseId, RangeOptions } from '../store.ts';
import type { Connection } from './connection.ts';

type EntryRow = {
  readonly key: string;
  readonly value: Uint8Array;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly lease: string | null;
};

/** SQLite orders every BLOB after every TEXT, so the empty one is greater than all keys. */
const afterAllKeys = new Uint8Array(0);
const noLimit = -1;

/** What the store holds now. No method waits; each belongs inside a read or a write of the connection. */
export class EntryTable {
  readonly #get: StatementSync;
  readonly #forward: StatementSync;
  readonly #reverse: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteOfLease: StatementSync;

  constructor(connection: Connection) {
    // One bound on either side, so that a page starts where the one before ended and not at the
    // first key of the prefix.
    const range = 'SELECT * FROM entry WHERE key >= max(?1, ?2) AND key < min(?3, ?4) ORDER BY key';
    this.#get = connection.prepare('SELECT * FROM entry WHERE key = ?');
    this.#forward = connection.prepare(`${range} LIMIT ?5`);
    this.#reverse = connection.prepare(`${range} DESC LIMIT ?5`);
    this.#put = connection.prepare(`
      INSERT INTO entry (key, value, create_revision, mod_revision, lease)
      VALUES (?1, ?2, ?3, ?3, ?4)
      ON CONFLICT (key) DO UPDATE
      SET value = excluded.value, mod_revision = excluded.mod_revision, lease = excluded.lease
      RETURNING create_revision`);
    this.#delete = connection.prepare('DELETE FROM entry WHERE key = ?');
    this.#deleteOfLease = connection.prepare('DELETE FROM entry WHERE lease = ? RETURNING key');
  }

  get(key: string): Entry | undefined {
    const row = this.#get.get(key) as EntryRow | undefined;
    return row && entryFrom(row);
  }

  range(prefix: string, { limit, after, reverse }: RangeOptions): Entry[] {
    const end = prefixEnd(prefix) ?? afterAllKeys;
    const count = limit ?? noLimit;
    const rows = reverse
      ? this.#reverse.all(prefix, prefix, end, after ?? afterAllKeys, count)
      : this.#forward.all(prefix, after === undefined ? prefix : keyAfter(after), end, end, count);
    return (rows as EntryRow[]).map(entryFrom);
  }

  /** @returns the revision that created the key, which is `revision` when it is new */
  put(entry: { key: string; value: Uint8Array; revision: number; lease?: LeaseId }): number {
    const { key, value, revision, lease } = entry;
    const row = this.#put.get(key, value, revision, lease ?? null) as { create_revision: number };
    return row.create_revision;
  }

  /** @returns whether there was such a key */
  delete(key: string): boolean {
    return this.#delete.run(key).changes === 1;
  }

  /** @returns the keys that were bound to the lease and are gone now, in key order */
  deleteOfLease(lease: LeaseId): string[] {
    const rows = this.#deleteOfLease.all(lease) as { key: string }[];
    return rows.map((row) => row.key);
  }
}

function entryFrom(row: EntryRow): Entry {
  const entry = {
    key: row.key,
    value: row.value,
    createRevision: row.create_revision,
    modRevision: row.mod_revision,
  };
  return row.lease === null ? entry : { ...entry, lease: row.lease as LeaseId };
}
