import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { currentRevision, put, text } from '../../../test/contract/store/store-bed.ts';
import { StoreProcess } from '../../../test/contract/store/store-process.ts';
import { within } from '../../../test/contract/store/wait.ts';
import { isStoreError } from '../../../test/contract/store/watches.ts';
import { openWatch, takeChanges } from '../../../test/contract/store/watching.ts';
import { InvalidInputError } from '../../model/error.ts';
import type { BootClock } from './boot-clock.ts';
import { Connection } from './connection.ts';
import { openSqliteStore } from './sqlite-store.ts';

interface TemporaryPath extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
}

async function temporaryPath(): Promise<TemporaryPath> {
  const directory = await mkdtemp(join(tmpdir(), 'hanse-sqlite-'));
  return {
    directory,
    path: join(directory, 'store.db'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

/** The superuser may write anywhere, so as another one when this is him. */
async function asOrdinaryUser(body: () => Promise<void>): Promise<void> {
  const own = process.getuid?.() ?? 0;
  if (own === 0) process.seteuid?.(65_534);
  try {
    await body();
  } finally {
    process.seteuid?.(own);
  }
}

const isCorrupt = isStoreError('corrupt');
const isUnavailable = isStoreError('unavailable');

test('nobody but the owner can read any of its files', async () => {
  await using place = await temporaryPath();
  await writeFile(place.path, '', { mode: 0o666 });
  await chmod(place.path, 0o666);
  await using store = await openSqliteStore(place);
  await put(store, 'key');
  for (const suffix of ['', '-wal', '-shm'])
    assert.equal((await stat(place.path + suffix)).mode & 0o777, 0o600, suffix);
});

test('a directory that does not exist is refused, and so is a path that is no file', async () => {
  await using place = await temporaryPath();
  const missing = join(place.directory, 'missing', 'store.db');
  await assert.rejects(openSqliteStore({ path: missing }), (error) => {
    assert.ok(error instanceof InvalidInputError);
    assert.match(error.message, /directory .*missing does not exist: create it/);
    return true;
  });
  await mkdir(place.path);
  await assert.rejects(openSqliteStore(place), InvalidInputError);
});

test('a file that is no database is refused and left as it is', async () => {
  await using place = await temporaryPath();
  const contents = 'these are my notes, and no store at all\n'.repeat(200);
  await writeFile(place.path, contents);
  await assert.rejects(openSqliteStore(place), isCorrupt);
  assert.equal(await readFile(place.path, 'utf8'), contents);
});

test("another program's database is refused and left as it is", async () => {
  await using place = await temporaryPath();
  const foreign = new DatabaseSync(place.path);
  foreign.exec('CREATE TABLE notes (text TEXT)');
  foreign.close();
  const contents = await readFile(place.path);
  await assert.rejects(openSqliteStore(place), /database of another program/);
  assert.deepEqual(await readFile(place.path), contents);
});

test('a store of a later version is refused with both versions', async () => {
  await using place = await temporaryPath();
  await (await openSqliteStore(place))[Symbol.asyncDispose]();
  const later = new DatabaseSync(place.path);
  later.exec('PRAGMA user_version = 99');
  later.close();
  await assert.rejects(openSqliteStore(place), (error) => {
    assert.ok(isCorrupt(error));
    assert.match(String(error), /version 99.* up to 1/);
    return true;
  });
});

test('damage in the midst of the file is reported as such', async () => {
  await using place = await temporaryPath();
  const store = await openSqliteStore(place);
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => put(store, `k/${n}`, 'v'.repeat(100))));
  await store[Symbol.asyncDispose]();
  const { size } = await stat(place.path);
  const file = await open(place.path, 'r+');
  await file.write(Buffer.alloc(size - 40_960, 0xa5), 0, size - 40_960, 40_960);
  await file.close();
  await using damaged = await openSqliteStore(place);
  await assert.rejects(damaged.range(''), isCorrupt);
});

test('a place where this user may not write is unavailable', async () => {
  await using place = await temporaryPath();
  await chmod(place.directory, 0o555);
  await asOrdinaryUser(() =>
    assert.rejects(openSqliteStore(place), (error) => {
      assert.ok(isUnavailable(error));
      assert.match(String(error), /EACCES; check who owns it/);
      return true;
    }),
  );
});

test('an answered transaction is on the disk: SQLite synchronises at each commit', async () => {
  await using place = await temporaryPath();
  await (await openSqliteStore(place))[Symbol.asyncDispose]();
  using connection = new Connection(place.path);
  const full = 2;
  assert.equal(connection.pragma('synchronous'), full);
  assert.equal(connection.pragma('journal_mode'), 'wal');
});

test('many that open a new store at the same time get one store', async () => {
  await using place = await temporaryPath();
  const handles = await Promise.all(Array.from({ length: 8 }, () => openSqliteStore(place)));
  const processes = await Promise.all(
    Array.from({ length: 3 }, () => StoreProcess.start(`sqlite:${place.path}`)),
  );
  const revisions = await Promise.all(handles.map((store) => put(store, 'key')));
  assert.equal(new Set(revisions).size, handles.length);
  for (const process of processes) await process.close();
  for (const store of handles) await store[Symbol.asyncDispose]();
});

test('opening and closing one handle does not take the locks of another one of this process', async () => {
  await using place = await temporaryPath();
  await using store = await openSqliteStore(place);
  await put(store, 'key', 'one');
  await (await openSqliteStore(place))[Symbol.asyncDispose]();
  // Without our locks it would believe to be the last one, and remove the log that we write to.
  await using other = await StoreProcess.start(`sqlite:${place.path}`);
  await other.close();
  await put(store, 'key', 'two');
  await using again = await openSqliteStore(place);
  assert.equal(text((await again.get('key'))?.value), 'two');
  await using watcher = await StoreProcess.start(`sqlite:${place.path}`);
  watcher.tell({ kind: 'watch', options: { prefixes: [''], afterRevision: 0 } });
  await watcher.reported('batch');
  assert.equal(watcher.changes.length, 2);
});

test('a process that writes without end does not keep others from writing', async () => {
  await using place = await temporaryPath();
  await using store = await openSqliteStore(place);
  const busy = [await StoreProcess.start(`sqlite:${place.path}`)];
  busy.push(await StoreProcess.start(`sqlite:${place.path}`));
  for (const [index, process] of busy.entries())
    process.tell({ kind: 'write', prefix: `busy${index}`, atOnce: 64 });
  await Promise.all(busy.map((process) => process.reported('acknowledged')));
  for (let round = 0; round < 20; round += 1) await within('a write', put(store, 'patient'));
  for (const process of busy) {
    const { length } = process.acknowledged;
    await process.reported('acknowledged', length + 200);
    await process.kill();
  }
});

test('the log that SQLite writes to does not grow without bound under readers and writers', async () => {
  await using place = await temporaryPath();
  await using store = await openSqliteStore(place);
  await using watching = await openSqliteStore(place);
  const afterRevision = await currentRevision(store);
  const changes = takeChanges(watching, { prefixes: ['k/'], afterRevision }, 20_000);
  for (let round = 0; round < 40; round += 1)
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => put(store, `k/${n}`, `${round}`.padEnd(500))),
    );
  assert.equal((await changes).length, 20_000);
  const { size } = await stat(`${place.path}-wal`);
  assert.ok(size < 33_554_432, `it has ${size} bytes`);
});

test('old history is forgotten by itself, and a watch from there is told so', async () => {
  await using place = await temporaryPath();
  await using store = await openSqliteStore({ ...place, historyRevisions: 500 });
  for (let round = 0; round < 4; round += 1)
    await Promise.all(Array.from({ length: 500 }, (_, n) => put(store, `k/${n}`)));
  const newest = await currentRevision(store);
  await using old = openWatch(store, { prefixes: [''], afterRevision: 100 });
  await assert.rejects(async () => old.iterator.next(), isStoreError('compacted'));
  const kept = { prefixes: [''], afterRevision: newest - 500 };
  assert.equal((await takeChanges(store, kept, 500)).length, 500);
  assert.equal((await store.range('')).entries.length, 500);
});

test('a watch that nobody reads keeps no timer once the store is closed', async () => {
  await using place = await temporaryPath();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const store = await openSqliteStore(place);
  const before = timers();
  await using _ = openWatch(store, { prefixes: [''], afterRevision: 0 });
  assert.equal(timers(), before + 1);
  await store[Symbol.asyncDispose]();
  assert.equal(timers(), before);
});

test('leases of before the machine was started are over', async () => {
  await using place = await temporaryPath();
  const before: BootClock = { bootId: 'before', nowMs: () => 1_000_000 };
  const after: BootClock = { bootId: 'after', nowMs: () => 5 };
  {
    await using store = await openSqliteStore(place, { bootClock: before });
    const lease = await store.grantLease(60_000);
    await store.transact({ if: [], then: [{ put: 'key', value: new Uint8Array(0), lease }] });
  }
  await using same = await openSqliteStore(place, { bootClock: before });
  const held = await same.get('key');
  assert.ok(held?.lease);
  await using store = await openSqliteStore(place, { bootClock: after });
  assert.equal(await store.get('key'), undefined);
  await assert.rejects(store.keepLeaseAlive(held.lease), isStoreError('lease-ended'));
});

test('a lease is over for whoever reads or writes, before anything has swept it away', async () => {
  await using place = await temporaryPath();
  let nowMs = 1_000;
  const bootClock: BootClock = { bootId: 'boot', nowMs: () => nowMs };
  await using store = await openSqliteStore(place, { bootClock });
  const bind = async (key: string) => {
    const lease = await store.grantLease(5_000);
    await store.transact({ if: [], then: [{ put: key, value: new Uint8Array(0), lease }] });
    return lease;
  };
  const lease = await bind('key');
  nowMs += 5_000;
  assert.ok(await store.get('key'), 'it lasts as long as was asked for');
  nowMs += 1;
  assert.equal(await store.get('key'), undefined);
  await bind('key');
  nowMs += 5_001;
  const taking = { if: [{ key: 'key', modRevision: 0 }], then: [{ delete: 'other' }] };
  assert.ok((await store.transact(taking)).succeeded);
  await assert.rejects(store.keepLeaseAlive(lease), isStoreError('lease-ended'));
  const late = await bind('key');
  nowMs += 5_001;
  await assert.rejects(store.keepLeaseAlive(late), isStoreError('lease-ended'));
});
