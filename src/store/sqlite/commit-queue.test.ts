import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../../test/contract/store/wait.ts';
import { StoreError } from '../store-error.ts';
import { openSystemBootClock } from './boot-clock.ts';
import { ChangeLog } from './change-log.ts';
import { CommitQueue } from './commit-queue.ts';
import { Connection } from './connection.ts';
import { CounterRow } from './counter-row.ts';
import { EntryTable } from './entry-table.ts';
import { LeaseTable } from './lease-table.ts';
import { prepareSchema } from './schema.ts';
import type { WriteSession } from './write-session.ts';

interface Bench extends AsyncDisposable {
  readonly path: string;
  readonly connection: Connection;
  readonly entries: EntryTable;
  readonly queue: CommitQueue;
  readonly commits: () => number;
}

async function createBench(timeoutMs = 60_000): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'hanse-queue-'));
  const path = join(directory, 'store.db');
  const connection = new Connection(path);
  prepareSchema(connection, path);
  const entries = new EntryTable(connection);
  let commits = 0;
  const queue = new CommitQueue(
    { path, timeoutMs, historyRevisions: 1_000 },
    {
      connection,
      tables: {
        entries,
        counters: new CounterRow(connection),
        changes: new ChangeLog(connection),
        leases: new LeaseTable(connection, openSystemBootClock()),
      },
      onCommitted: () => {
        commits += 1;
      },
    },
  );
  const dispose = async () => {
    await queue.close();
    connection[Symbol.dispose]();
    await rm(directory, { recursive: true });
  };
  return {
    path,
    connection,
    entries,
    queue,
    commits: () => commits,
    [Symbol.asyncDispose]: dispose,
  };
}

function putJob(key: string, bytes = 10): (session: WriteSession) => number {
  const value = new Uint8Array(bytes).fill(1);
  return (session) => session.transact({ if: [], then: [{ put: key, value }] }).revision;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'unavailable' && error.retryable;
}

test('jobs of one turn share a commit, in order, each seeing what those before it did', async () => {
  await using bench = await createBench();
  const revisions = await Promise.all(
    Array.from({ length: 50 }, (_, index) => bench.queue.submit(putJob(`key/${index}`))),
  );
  assert.deepEqual(
    revisions,
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
  assert.equal(bench.commits(), 1);
});

test('a job that is refused leaves the others of its commit alone', async () => {
  await using bench = await createBench();
  const refused = new StoreError('over', { code: 'lease-ended', fields: { lease: 'x' } });
  const [before, failing, after] = await Promise.allSettled([
    bench.queue.submit(putJob('before')),
    bench.queue.submit(() => {
      throw refused;
    }),
    bench.queue.submit(putJob('after')),
  ]);
  assert.deepEqual(before, { status: 'fulfilled', value: 1 });
  assert.deepEqual(failing, { status: 'rejected', reason: refused });
  assert.deepEqual(after, { status: 'fulfilled', value: 2 });
});

test('when the disk is full nothing of the commit has happened, and later ones go on', async () => {
  await using bench = await createBench();
  await bench.queue.submit(putJob('before'));
  const pages = Number(bench.connection.pragma('page_count'));
  bench.connection.exec(`PRAGMA max_page_count = ${pages + 5}`);
  const answers = await Promise.allSettled([
    bench.queue.submit(putJob('small')),
    bench.queue.submit(putJob('large', 100_000)),
    bench.queue.submit(putJob('not tried any more')),
  ]);
  for (const answer of answers) {
    assert.ok(answer.status === 'rejected' && isUnavailable(answer.reason));
    assert.match(answer.reason.message, /disk is full/);
  }
  assert.deepEqual(keysOf(bench), ['before']);
  bench.connection.exec('PRAGMA max_page_count = 1000000');
  assert.equal(await bench.queue.submit(putJob('later')), 2);
});

test('while another process has the lock the event loop runs on, and the job is done afterwards', async () => {
  await using bench = await createBench();
  using other = new Connection(bench.path);
  other.begin();
  const answer = bench.queue.submit(putJob('key'));
  let turns = 0;
  await eventually('the loop has turned', () => {
    turns += 1;
    return turns > 20;
  });
  assert.deepEqual(keysOf(bench), [], 'reading goes on');
  other.rollback();
  assert.equal(await answer, 1);
});

test('jobs fail as unavailable when the lock does not come free in time', async () => {
  await using bench = await createBench(20);
  using other = new Connection(bench.path);
  other.begin();
  const answers = await Promise.allSettled(
    ['a', 'b'].map((key) => bench.queue.submit(putJob(key))),
  );
  assert.ok(answers.every((each) => each.status === 'rejected' && isUnavailable(each.reason)));
  other.rollback();
  assert.equal(await bench.queue.submit(putJob('c')), 1);
});

test('a job that waits for the lock can be aborted, and has not happened then', async () => {
  await using bench = await createBench();
  using other = new Connection(bench.path);
  other.begin();
  const stop = new AbortController();
  const aborted = bench.queue.submit(putJob('aborted'), stop.signal);
  const kept = bench.queue.submit(putJob('kept'));
  stop.abort(new Error('nobody waits'));
  await assert.rejects(aborted, /nobody waits/);
  other.rollback();
  await kept;
  assert.deepEqual(keysOf(bench), ['kept']);
});

test('closing answers what was submitted and refuses the rest', async () => {
  await using bench = await createBench();
  const answer = bench.queue.submit(putJob('key'));
  const closing = bench.queue.close();
  await assert.rejects(bench.queue.submit(putJob('late')), /closed/);
  assert.equal(await answer, 1);
  await closing;
});

test('forgotten history is deleted as work goes on, under load as well', async () => {
  await using bench = await createBench();
  const count = bench.connection.prepare('SELECT count(*) AS changes FROM change');
  for (let round = 0; round < 30; round += 1) {
    await Promise.all(
      Array.from({ length: 500 }, (_, index) => bench.queue.submit(putJob(`key/${index}`))),
    );
    const { changes } = count.get() as { changes: number };
    assert.ok(changes <= 1_000 + 2 * 512, `${changes} changes are kept`);
  }
});

function keysOf({ connection, entries }: Bench): string[] {
  return connection.read(() => entries.range('', {})).map((entry) => entry.key);
}
