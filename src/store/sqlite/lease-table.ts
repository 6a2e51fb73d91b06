import type { StatementSync } from 'node:sqlite';
import type { LeaseId } from '../store.ts';
import type { BootClock } from './boot-clock.ts';
import type { Connection } from './connection.ts';

/** The leases that have not been ended. No method waits; each belongs inside a read or a write of the connection. */
export class LeaseTable {
  readonly #clock: BootClock;
  readonly #insert: StatementSync;
  readonly #renew: StatementSync;
  readonly #delete: StatementSync;
  readonly #find: StatementSync;
  readonly #due: StatementSync;
  readonly #foreign: StatementSync;

  constructor(connection: Connection, clock: BootClock) {
    this.#clock = clock;
    this.#insert = connection.prepare(
      'INSERT INTO lease (id, ttl_ms, boot_id, ends_at_ms) VALUES (?, ?, ?, ?)',
    );
    this.#renew = connection.prepare('UPDATE lease SET ends_at_ms = ?1 + ttl_ms WHERE id = ?2');
    this.#delete = connection.prepare('DELETE FROM lease WHERE id = ?');
    this.#find = connection.prepare('SELECT 1 FROM lease WHERE id = ?');
    // Not "or equal": both times are rounded down, and no lease may end before its time.
    this.#due = connection.prepare('SELECT id FROM lease WHERE ends_at_ms < ?');
    this.#foreign = connection.prepare('SELECT id FROM lease WHERE boot_id <> ?');
  }

  insert(lease: LeaseId, ttlMs: number): void {
    const { bootId } = this.#clock;
    this.#insert.run(lease, ttlMs, bootId, this.#clock.nowMs() + ttlMs);
  }

  /** @returns whether there is such a lease */
  renew(lease: LeaseId): boolean {
    return this.#renew.run(this.#clock.nowMs(), lease).changes === 1;
  }

  delete(lease: LeaseId): void {
    this.#delete.run(lease);
  }

  has(lease: LeaseId): boolean {
    return this.#find.get(lease) !== undefined;
  }

  isEmpty(): boolean {
    return this.#due.get(Number.MAX_SAFE_INTEGER) === undefined;
  }

  /** The leases whose time is over and that have not been ended yet. */
  due(): LeaseId[] {
    return leasesFrom(this.#due.all(this.#clock.nowMs()));
  }

  hasDue(): boolean {
    return this.#due.get(this.#clock.nowMs()) !== undefined;
  }

  /** The leases granted before the machine was started, whose times mean nothing any more. */
  ofOtherBoots(): LeaseId[] {
    return leasesFrom(this.#foreign.all(this.#clock.bootId));
  }
}

function leasesFrom(rows: readonly unknown[]): LeaseId[] {
  return (rows as readonly { id: LeaseId }[]).map((row) => row.id);
}
