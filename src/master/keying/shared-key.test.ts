import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { maxDeparted } from '../../model/records/directory.ts';
import { wireguardPublicKeySchema } from '../../model/wireguard-key.ts';
import { sharedKeyKey } from '../../store/keys.ts';
import type { Entry } from '../../store/store.ts';
import { createSealingKey, parseSealingKey } from '../../trust/sealing.ts';
import { createGroupKey } from '../../trust/wireguard-keys.ts';
import {
  lacksDeparted,
  mergeDeparted,
  openSharedKey,
  planSharedKey,
  type SharedKey,
} from './shared-key.ts';

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const key = (number: number) =>
  wireguardPublicKeySchema.parse(Buffer.alloc(32, number).toString('base64'));

const numbered = (index: number) =>
  wireguardPublicKeySchema.parse(
    Buffer.alloc(32, index.toString(16).padStart(4, '0'), 'hex').toString('base64'),
  );

async function stored(): Promise<Entry> {
  const entry = await bed.store.get(sharedKeyKey);
  assert.ok(entry);
  return entry;
}

const next = (epoch: number) => ({
  ...{ epoch, groupKey: createGroupKey(), createdAtMs: 7 },
  departed: [{ key: key(1), atMs: 5 }],
});

test('a shared key comes out of the store as it went in, is not readable there, and has one follower', async () => {
  const first = next(3);
  const { revision } = await bed.store.transact(planSharedKey(first, undefined, bed.sealingKey));
  const entry = await stored();
  const opened = openSharedKey(entry, bed.sealingKey);
  assert.deepEqual(opened, { ...first, revision });
  assert.ok(!Buffer.from(entry.value).includes(first.groupKey));

  const one = next(4);
  const plans = [
    planSharedKey(one, opened, bed.sealingKey),
    planSharedKey(next(4), opened, bed.sealingKey),
  ];
  const results = [];
  for (const plan of plans) results.push((await bed.store.transact(plan)).succeeded);
  results.push(
    (await bed.store.transact(planSharedKey(next(9), undefined, bed.sealingKey))).succeeded,
  );
  assert.deepEqual(results, [true, false, false]);
  assert.equal(openSharedKey(await stored(), bed.sealingKey).groupKey, one.groupKey);
});

test('a shared key that somebody else sealed does not open', async () => {
  const stranger = parseSealingKey(createSealingKey());
  const [put] = planSharedKey(next(1), undefined, stranger).then;
  assert.ok(put && 'put' in put);
  const value = typeof put.value === 'string' ? Buffer.from(put.value) : put.value;
  const entry = { ...(await stored()), value };
  assert.throws(() => openSharedKey(entry, bed.sealingKey), { code: 'wrong-sealing-key' });
});

const departures = fc.array(
  fc.record({ key: fc.integer({ min: 1, max: 40 }).map(key), atMs: fc.nat(2_000_000) }),
);

test('of all who have left each is told once, with the last time, for nine minutes', () => {
  fc.assert(
    fc.property(fc.array(departures), fc.nat(2_000_000), (lists, nowMs) => {
      const merged = mergeDeparted(lists, nowMs);
      const recent = lists.flat().filter(({ atMs }) => nowMs - atMs < 540_000);
      const expected = new Map(
        recent.toSorted((one, other) => one.atMs - other.atMs).map((one) => [one.key, one.atMs]),
      );
      assert.deepEqual(new Map(merged.map((one) => [one.key, one.atMs])), expected);
      assert.equal(merged.length, expected.size);
    }),
  );
});

test('merging goes in any order and again, so that masters that differ in what they heard end up alike', () => {
  fc.assert(
    fc.property(departures, departures, fc.nat(2_000_000), (one, other, nowMs) => {
      const merged = mergeDeparted([one, other], nowMs);
      assert.deepEqual(mergeDeparted([other, one], nowMs), merged);
      assert.deepEqual(mergeDeparted([merged, one], nowMs), merged);
      const times = merged.map(({ atMs }) => atMs);
      assert.deepEqual(
        times,
        times.toSorted((first, second) => second - first),
      );
    }),
  );
});

test('of more than a record holds the latest are kept', () => {
  const many = Array.from({ length: maxDeparted + 9 }, (_, index) => ({
    key: numbered(index),
    atMs: index,
  }));
  const merged = mergeDeparted([many], many.length);
  assert.equal(merged.length, maxDeparted);
  assert.deepEqual([merged[0]?.atMs, merged.at(-1)?.atMs], [many.length - 1, 9]);
});

test('who has left a subset is told of once, also where more have left than a record holds', () => {
  const leavers = (first: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ key: numbered(first + index), atMs: index }));
  const [one, other] = [leavers(0, maxDeparted + 9), leavers(1_000, maxDeparted)];
  let told: SharedKey['departed'] = [];
  for (const own of [one, other]) {
    assert.equal(lacksDeparted(told, own, maxDeparted), true);
    told = mergeDeparted([told, own], maxDeparted);
  }
  for (const own of [one, other, []]) assert.equal(lacksDeparted(told, own, maxDeparted), false);
  const later = [{ key: numbered(5_000), atMs: maxDeparted + 10 }];
  assert.equal(lacksDeparted(told, later, maxDeparted), true);
});
