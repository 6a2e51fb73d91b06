import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FaultyStore } from '../../../test/support/faulty-store.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { until } from '../../../test/support/until.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { actingLeaseSchema, decodeRecord, encodeRecord } from '../../model/records.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLog } from '../../runtime/log.ts';
import { auditPrefix, leaseKey } from '../../store/keys.ts';
import { openStore } from '../../store/open-store.ts';
import type { Store } from '../../store/store.ts';
import { MasterError } from '../master-error.ts';
import { RollWriter } from './roll-writer.ts';
import { type HeldLease, holdSubsetLease } from './subset-lease.ts';

const hamburg = parseSubsetName('hamburg');

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
});
after(() => bed[Symbol.asyncDispose]());

/** A master that wants the lease, and all the times that it has had it. */
class Candidate implements AsyncDisposable {
  readonly held: HeldLease[] = [];
  readonly #stop = new AbortController();
  readonly #holding: Promise<void>;

  constructor(name: string, store: Store = bed.store) {
    this.#holding = holdSubsetLease(
      { subset: hamburg, master: parseMasterName(name) },
      { store, clock: systemClock, log: silentLog() },
      (lease) => {
        this.held.push(lease);
        return new Promise((resolve) => lease.lost.addEventListener('abort', () => resolve()));
      },
      this.#stop.signal,
    );
  }

  async lease(count = 1): Promise<HeldLease> {
    return until('the lease', () => (this.held.length >= count ? this.held.at(-1) : undefined));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    return this.#holding;
  }
}

async function holder(): Promise<string | undefined> {
  const entry = await bed.store.get(leaseKey(hamburg));
  return entry && decodeRecord(actingLeaseSchema, entry.key, entry.value).master;
}

/** Writes of one master, as its fence allows them. */
function writerOf({ fence }: HeldLease, name: string, audited: string[] = []): RollWriter {
  return new RollWriter(
    { subset: hamburg, master: parseMasterName(name), fence },
    { store: bed.store, clock: systemClock, onAudit: ({ subject }) => audited.push(subject) },
  );
}

const change = (key: string, subject: string) => ({
  then: [{ put: key, value: encodeRecord({ subject }) }],
  audit: [{ action: 'key-rotated', actor: 'master:x', subject } as const],
  epoch: 1,
});

test('of two masters that want the lease one gets it, and the other when it is given back', async () => {
  const first = new Candidate('elbe');
  await first.lease();
  await using second = new Candidate('trave');
  assert.equal(await holder(), 'elbe');
  assert.equal(second.held.length, 0);
  await first[Symbol.asyncDispose]();
  await second.lease();
  assert.equal(await holder(), 'trave');
  assert.equal(first.held[0]?.lost.aborted, true);
});

test('the lease of a master that died is taken over when its time is over', async () => {
  const store = await openStore(bed.storeUrl);
  const dying = new Candidate('elbe', store);
  await dying.lease();
  // As good as dead: whatever it does from now on does not reach the store.
  await store[Symbol.asyncDispose]();
  await using heir = new Candidate('trave');
  await heir.lease();
  assert.equal(await holder(), 'trave');
  await dying[Symbol.asyncDispose]();
  assert.equal(await holder(), 'trave');
});

test('a master that comes back takes its own lease again without waiting for its time to run out', async () => {
  await bed.store.transact({
    if: [],
    then: [
      {
        put: leaseKey(hamburg),
        value: encodeRecord({ version: 1, master: 'elbe', sinceMs: 1 }),
        lease: await bed.store.grantLease(60_000),
      },
    ],
  });
  await using again = new Candidate('elbe');
  const { fence } = await again.lease();
  const entry = await bed.store.get(leaseKey(hamburg));
  assert.equal('modRevision' in fence && fence.modRevision, entry?.modRevision);
});

test('a master that cannot renew its lease stops acting, and takes it again when it can', async () => {
  const store = new FaultyStore(bed.store);
  await using candidate = new Candidate('elbe', store);
  const { lost } = await candidate.lease();
  store.keepLeaseAlive = () => Promise.reject(new Error('the network is away'));
  await until('the loss', () => lost.aborted);
  store.keepLeaseAlive = (...args) => bed.store.keepLeaseAlive(...args);
  await candidate.lease(2);
});

test('a deposed master’s write fails, changes nothing and is not audited', async () => {
  const [audited, key] = [[] as string[], 'roll/hamburg/member/probe'];
  const first = new Candidate('elbe');
  const held = await first.lease();
  const writer = writerOf(held, 'elbe', audited);
  await writer.commit(change(key, 'in-office'));
  await first[Symbol.asyncDispose]();
  await using second = new Candidate('trave');
  const successor = writerOf(await second.lease(), 'trave', audited);
  await successor.commit(change(key, 'successor'));
  const before = await bed.store.range('roll/hamburg/');
  await assert.rejects(writer.commit(change(key, 'deposed')), (error: MasterError) => {
    assert.deepEqual([error.code, error.retryable], ['not-acting', true]);
    return true;
  });
  assert.deepEqual((await bed.store.range('roll/hamburg/')).entries, before.entries);
  assert.deepEqual(audited, ['in-office', 'successor']);
});

test('a change and its audit entries are in one transaction; neither is there without the other', async () => {
  await using candidate = new Candidate('elbe');
  const writer = writerOf(await candidate.lease(), 'elbe');
  const key = 'roll/hamburg/member/one';
  const revision = await writer.commit(change(key, 'one'));
  const audit = await bed.store.range(auditPrefix(hamburg));
  const entry = audit.entries.find(({ value }) => Buffer.from(value).includes('"one"'));
  assert.equal(entry?.modRevision, revision);
  assert.equal((await bed.store.get(key))?.modRevision, revision);
  const before = audit.entries.length;
  const conflicting = { ...change(key, 'two'), if: [{ key, modRevision: revision + 1 }] };
  await assert.rejects(
    writer.commit(conflicting),
    (error) => error instanceof MasterError && error.code === 'conflict',
  );
  assert.equal((await bed.store.range(auditPrefix(hamburg))).entries.length, before);
  assert.equal((await bed.store.get(key))?.modRevision, revision);
});
