import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FaultyStore } from '../../../test/support/faulty-store.ts';
import { JumpingClock } from '../../../test/support/jumping-clock.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { until } from '../../../test/support/until.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { actingLeaseSchema } from '../../model/records/roll.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLog } from '../../runtime/log.ts';
import { auditPrefix, leaseKey } from '../../store/keys.ts';
import { openStore } from '../../store/open-store.ts';
import type { Store } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import { MasterError } from '../master-error.ts';
import { RollWriter } from './roll-writer.ts';
import { type SubsetLease, takeSubsetLease } from './subset-lease.ts';

const hamburg = parseSubsetName('hamburg');
const key = leaseKey(hamburg);

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
});
after(() => bed[Symbol.asyncDispose]());

interface TakeOptions {
  readonly store?: FaultyStore;
  readonly clock?: JumpingClock;
  /** Of the lease key; as it is now unless said. */
  readonly seenRevision?: number;
  readonly onRenewalFailed?: () => void;
}

/** Tries once. */
async function attempt(name: string, options: TakeOptions = {}): Promise<SubsetLease | undefined> {
  const { store = bed.store, clock = systemClock, onRenewalFailed = () => undefined } = options;
  const seenRevision = options.seenRevision ?? (await bed.store.get(key))?.modRevision ?? 0;
  return takeSubsetLease(
    { subset: hamburg, master: parseMasterName(name), seenRevision },
    { store, clock, log: silentLog(), onRenewalFailed },
    new AbortController().signal,
  );
}

async function take(name: string, options: TakeOptions = {}): Promise<SubsetLease> {
  const lease = await attempt(name, options);
  assert.ok(lease, `${name} gets the lease`);
  return lease;
}

async function leaseRecord() {
  const entry = await bed.store.get(key);
  return entry && decodeRecord(actingLeaseSchema, entry.key, entry.value);
}

const isFree = async (): Promise<boolean> => (await bed.store.get(key)) === undefined;

/** Writes of one master, as its fence allows them. */
function writerOf(
  { fence }: SubsetLease,
  name: string,
  audited: string[] = [],
  store: Store = bed.store,
): RollWriter {
  return new RollWriter(
    { subset: hamburg, master: parseMasterName(name), fence },
    { store, clock: systemClock, onAudit: ({ subject }) => audited.push(subject) },
  );
}

const change = (put: string, subject: string) => ({
  then: [{ put, value: encodeRecord({ subject }) }],
  audit: [{ action: 'key-rotated', actor: 'master:x', subject } as const],
  epoch: 1,
});

test('of two masters that have seen a lease free one gets it', async () => {
  const wanted = ['elbe', 'trave'].map((name) => attempt(name, { seenRevision: 0 }));
  const leases = (await Promise.all(wanted)).flatMap((lease) => lease ?? []);
  assert.equal(leases.length, 1);
  await leases[0]?.end();
  assert.ok(await isFree());
});

test('a lease outlives its time while it is held, and is free at once when it is given back', async () => {
  const lease = await take('elbe');
  const first = await bed.store.get(key);
  await systemClock.sleep(4_000);
  assert.deepEqual(await bed.store.get(key), first);
  assert.equal(lease.lost.aborted, false);
  await lease.end();
  assert.equal(lease.lost.aborted, true);
  assert.ok(await isFree());
});

test('the lease of a master that died is free when its time is over', async () => {
  const store = await openStore(bed.storeUrl);
  const dying = await take('elbe', { store: new FaultyStore(store) });
  // As good as dead: whatever it does from now on does not reach the store.
  await store[Symbol.asyncDispose]();
  await until('the lease is free', isFree);
  const heir = await take('trave');
  await dying.end();
  assert.equal((await leaseRecord())?.master, 'trave');
  await heir.end();
});

test('a master that cannot renew stops before the store gives the lease to anybody else', async () => {
  const store = new FaultyStore(bed.store);
  const seen: string[] = [];
  store.keepLeaseAlive = () =>
    Promise.reject(new StoreError('away', { code: 'unavailable', retryable: true }));
  const lease = await take('elbe', { store, onRenewalFailed: () => seen.push('failed renewal') });
  lease.lost.addEventListener('abort', () => seen.push('stopped'));
  await until('the lease is free', isFree);
  assert.equal(seen.at(-1), 'stopped');
  assert.ok(seen.length > 2, 'it had tried to renew several times');
});

test('a renewal that fails once costs nothing', async () => {
  const store = new FaultyStore(bed.store);
  let failures = 0;
  const lease = await take('elbe', { store, onRenewalFailed: () => (failures += 1) });
  store.keepLeaseAlive = () => {
    store.keepLeaseAlive = (...args) => bed.store.keepLeaseAlive(...args);
    return Promise.reject(new StoreError('away', { code: 'unavailable', retryable: true }));
  };
  await until('the failure', () => failures === 1);
  await systemClock.sleep(3_000);
  assert.equal(lease.lost.aborted, false);
  await lease.end();
});

test('wall clocks that jump and differ by an hour change nothing about a lease', async () => {
  const clock = new JumpingClock();
  const lease = await take('elbe', { clock });
  clock.jump(3_600_000);
  await systemClock.sleep(3_500);
  assert.equal(lease.lost.aborted, false);
  assert.equal((await leaseRecord())?.master, 'elbe');
  await lease.end();
});

test('an offered lease is its target’s to take, and the giver writes nothing any more', async () => {
  const giver = await take('elbe');
  const writer = writerOf(giver, 'elbe');
  const trave = parseMasterName('trave');
  await giver.offer(trave, { from: parseMasterName('elbe'), change: 'handed-over' });
  assert.equal(giver.lost.aborted, true);
  const { master, offered } = (await leaseRecord()) ?? {};
  assert.deepEqual(
    { master, offered },
    { master: 'trave', offered: { from: 'elbe', change: 'handed-over' } },
  );
  await assert.rejects(writer.commit(change('roll/hamburg/member/probe', 'late')), {
    code: 'not-acting',
  });
  const taken = await take('trave');
  await systemClock.sleep(3_500);
  assert.equal((await leaseRecord())?.master, 'trave', 'it no longer hangs on the giver’s lease');
  await taken.end();
});

test('an offer that nobody takes ends with the giver’s lease', async () => {
  const giver = await take('elbe');
  const names = { from: parseMasterName('elbe'), change: 'handed-over' } as const;
  await giver.offer(parseMasterName('trave'), names);
  await until('the lease is free', isFree);
});

test('a deposed master’s write fails, changes nothing and is not audited', async () => {
  const [audited, probe] = [[] as string[], 'roll/hamburg/member/probe'];
  const first = await take('elbe');
  const writer = writerOf(first, 'elbe', audited);
  await writer.commit(change(probe, 'in-office'));
  await first.end();
  const second = await take('trave');
  await writerOf(second, 'trave', audited).commit(change(probe, 'successor'));
  const before = await bed.store.range('roll/hamburg/');
  await assert.rejects(writer.commit(change(probe, 'deposed')), (error: MasterError) => {
    assert.deepEqual([error.code, error.retryable], ['not-acting', true]);
    return true;
  });
  assert.deepEqual((await bed.store.range('roll/hamburg/')).entries, before.entries);
  assert.deepEqual(audited, ['in-office', 'successor']);
  await second.end();
});

test('what is late fails once the fence was renewed, and the lease goes on', async () => {
  const store = new FaultyStore(bed.store);
  const lease = await take('elbe', { store });
  const [probe, audited] = ['roll/hamburg/member/late', [] as string[]];
  store.faults.push('late');
  const before = writerOf(lease, 'elbe', audited, store);
  await assert.rejects(before.commit(change(probe, 'late')), { code: 'unavailable' });
  await lease.renewFence(lease.lost);
  assert.deepEqual(await store.arrive(), [false]);
  assert.equal(await bed.store.get(probe), undefined);
  await assert.rejects(before.commit(change(probe, 'old fence')), { code: 'not-acting' });
  await writerOf(lease, 'elbe', audited, store).commit(change(probe, 'new fence'));
  assert.deepEqual(audited, ['new fence']);
  await systemClock.sleep(4_000);
  assert.equal((await leaseRecord())?.master, 'elbe', 'it still hangs on the lease');
  await lease.end();
  assert.ok(await isFree());
});

for (const fault of ['not applied', 'answer lost', 'late'] as const) {
  test(`a fence is renewed by another attempt when the first one was ${fault}`, async () => {
    const store = new FaultyStore(bed.store);
    const lease = await take('elbe', { store });
    const { revision } = lease;
    store.faults.push(fault);
    await assert.rejects(lease.renewFence(lease.lost), { code: 'unavailable' });
    assert.equal(lease.revision, revision);
    await lease.renewFence(lease.lost);
    assert.ok(lease.revision > revision);
    await store.arrive();
    assert.equal((await bed.store.get(key))?.modRevision, lease.revision);
    await lease.end();
  });
}

test('a fence is renewed by nobody who has lost the lease, which ends with it', async () => {
  const lost = await take('elbe');
  const heir = await take('trave');
  await assert.rejects(lost.renewFence(new AbortController().signal), { code: 'not-acting' });
  assert.equal(lost.lost.aborted, true);
  await lost.end();
  assert.equal((await bed.store.get(key))?.modRevision, heir.revision);
  await heir.end();
});

test('a fence is not renewed over an offer, and what was offered stays so', async () => {
  const giver = await take('elbe');
  const names = { from: parseMasterName('elbe'), change: 'handed-over' } as const;
  const offering = giver.offer(parseMasterName('trave'), names);
  await assert.rejects(giver.renewFence(new AbortController().signal), { code: 'not-acting' });
  await giver.end();
  await offering;
  assert.equal((await leaseRecord())?.master, 'trave');
});

test('a change and its audit entries are in one transaction; neither is there without the other', async () => {
  const lease = await take('elbe');
  const writer = writerOf(lease, 'elbe');
  const one = 'roll/hamburg/member/one';
  const revision = await writer.commit(change(one, 'one'));
  const audit = await bed.store.range(auditPrefix(hamburg));
  const entry = audit.entries.find(({ value }) => Buffer.from(value).includes('"one"'));
  assert.equal(entry?.modRevision, revision);
  assert.equal((await bed.store.get(one))?.modRevision, revision);
  const before = audit.entries.length;
  const conflicting = { ...change(one, 'two'), if: [{ key: one, modRevision: revision + 1 }] };
  await assert.rejects(
    writer.commit(conflicting),
    (error) => error instanceof MasterError && error.code === 'conflict',
  );
  assert.equal((await bed.store.range(auditPrefix(hamburg))).entries.length, before);
  assert.equal((await bed.store.get(one))?.modRevision, revision);
  await lease.end();
});
