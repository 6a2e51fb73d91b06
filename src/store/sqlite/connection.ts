import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** 16 MiB of pages, so that the upper levels of all trees stay in memory. */
const cacheKib = 16_384;
/** The write-ahead log is cut back to this when a burst has made it longer. */
const maxIdleLogBytes = 67_108_864;

/**
 * One connection to the file. Everything between `begin` and `commit`, and every `read`, runs
 * without an `await`: so one connection serves a whole process, and no lock outlives a tick.
 *
 * Its calls raise SQLite's own errors; "busy" among them at once, never after a wait.
 */
export class Connection implements Disposable {
  readonly #database: DatabaseSync;
  readonly #beginRead: StatementSync;
  readonly #beginWrite: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #dataVersion: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 0 });
    try {
      this.#beginRead = this.prepare('BEGIN');
      this.#beginWrite = this.prepare('BEGIN IMMEDIATE');
      this.#commit = this.prepare('COMMIT');
      this.#rollback = this.prepare('ROLLBACK');
      this.#dataVersion = this.prepare('PRAGMA data_version');
      // FULL is what makes an acknowledged transaction survive the machine: NORMAL would not.
      this.#database.exec(`
        PRAGMA synchronous = FULL;
        PRAGMA trusted_schema = OFF;
        PRAGMA cache_size = -${cacheKib};
        PRAGMA journal_size_limit = ${maxIdleLogBytes};
      `);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** The value of a pragma that has one. */
  pragma(name: string): unknown {
    return Object.values(this.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  }

  /**
   * A number that is another one whenever any other connection has committed since it was last read.
   * Our own commits do not change it.
   */
  dataVersion(): number {
    return (this.#dataVersion.get() as { data_version: number }).data_version;
  }

  /** Runs the body on one snapshot. Not to be nested, nor called between `begin` and `commit`. */
  read<T>(body: () => T): T {
    this.#beginRead.run();
    try {
      return body();
    } finally {
      this.rollback();
    }
  }

  /** Takes the lock that only one writer of all processes has. */
  begin(): void {
    this.#beginWrite.run();
  }

  /** When it returns, everything since `begin` is on the disk. */
  commit(): void {
    this.#commit.run();
  }

  /** Harmless when SQLite has ended the transaction by itself, as it does after some errors. */
  rollback(): void {
    if (this.#database.isTransaction) this.#rollback.run();
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
