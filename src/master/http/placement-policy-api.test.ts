import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import {
  getPlacementPolicy,
  removePlacementPolicy,
  setPlacementPolicy,
} from '../../api/placement-endpoints.ts';
import { defaultPlacementPolicy } from '../../core/placement/policy.ts';
import { vpnAuditRecordSchema } from '../../model/records/audit.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { placementPolicyRecordSchema } from '../../model/records/directory.ts';
import { placementPolicyKey, vpnAuditPrefix } from '../../store/keys.ts';
import { PlacementPolicyHandlers } from './handlers/placement-policy-handlers.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let trave: RunningMaster;
let operator: OperatorClient;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], bremen: ['trave'] } });
  [elbe, trave] = [await RunningMaster.start(bed, 'elbe'), await RunningMaster.start(bed, 'trave')];
  operator = await bed.operator();
});
after(async () => {
  await trave[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const { revision } = await show();
  await remove(revision);
});

const text = '# what we pay\nhysteresis: { points: 7 }\n';
const show = () => operator.call(getPlacementPolicy, {});
const set = (ifRevision: number, body = text) =>
  operator.call(setPlacementPolicy, { query: { ifRevision }, body: { text: body } });
const remove = (ifRevision: number) =>
  operator.call(removePlacementPolicy, { query: { ifRevision } });
const pointsAt = ({ master }: RunningMaster) =>
  master.directory.requirePlacementPolicy().hysteresis.points;
const store = (value: object) =>
  bed.store.transact({ if: [], then: [{ put: placementPolicyKey, value: encodeRecord(value) }] });

test('a policy that is set is what every master goes by, and is shown as it was written', async () => {
  assert.deepEqual(await show(), { revision: 0 });
  assert.equal(elbe.master.directory.placementPolicy, defaultPlacementPolicy);
  const { revision } = await set(0);
  assert.equal(pointsAt(elbe), 7);
  await until('the other master', () => pointsAt(trave) === 7);
  const { policy, ...shown } = await show();
  assert.deepEqual(shown, { revision });
  assert.equal(policy?.text, text);
  assert.equal(policy.changedBy, 'operator:ada');
  assert.ok(Math.abs(policy.changedAtMs - elbe.clock.nowMs()) < 60_000);
  await remove(revision);
  assert.equal(pointsAt(elbe), 5);
  await until('the other master', () => pointsAt(trave) === 5);
  assert.deepEqual(await show(), { revision: 0 });
});

test('what is no policy is refused with line and column, and nothing is stored', async () => {
  await assert.rejects(set(0, 'pins:\n  web-1: {}\n'), {
    code: 'invalid',
    message: /policy:2:10: pins\.web-1: say master, subset or both/,
  });
  await assert.rejects(set(0, `# ${'x'.repeat(128 * 1024)}\n`), {
    code: 'invalid',
    message: /128 KiB at most/,
  });
  assert.deepEqual(await show(), { revision: 0 });
});

test('the largest policy fits, also where it is all quotes and ends of lines', async () => {
  const largest = `#${'"'.repeat(128 * 1024 - 2)}\n`;
  const { revision } = await set(0, largest);
  assert.equal((await show()).policy?.text, largest);
  await until('the other master', () => trave.master.directory.storedPolicy?.revision === revision);
});

test('nobody changes a policy that he has not seen, and is told whose it is', async () => {
  const { revision } = await set(0);
  const conflict = {
    code: 'conflict',
    retryable: false,
    message: new RegExp(
      `another than you have seen: it is at revision ${revision}, by operator:ada`,
    ),
  };
  await assert.rejects(set(0, 'movesPerMinute: 1\n'), conflict);
  await assert.rejects(remove(revision - 1), conflict);
  assert.equal((await show()).policy?.text, text);
  await remove(revision);
  await assert.rejects(set(revision), { code: 'conflict', message: /it has been removed/ });
});

test('what is there already is not stored again, so that a request can be repeated', async () => {
  const { revision } = await set(0);
  assert.deepEqual(await set(0), { revision });
  await remove(revision);
  await remove(revision);
});

test('of two who change it at the same moment the second is told so', async () => {
  const { directory } = elbe.master;
  const handlers = new PlacementPolicyHandlers({
    ...{ master: elbe.master.name, directory, clock: elbe.clock, log: capturedLog().log },
    store: {
      get: (...args) => bed.store.get(...args),
      transact: async (transaction, signal) => {
        await store({ version: 1, text: '', changedAtMs: 1, changedBy: 'operator:bob' });
        return bed.store.transact(transaction, signal);
      },
    },
  });
  const change = { ifRevision: 0, by: 'operator:ada' };
  await assert.rejects(handlers.set(text, change, AbortSignal.timeout(5_000)), {
    code: 'conflict',
    message: /by operator:bob/,
  });
  assert.equal((await show()).policy?.text, '');
});

test('each change is in the audit log, and one that changed nothing is not', async () => {
  const entries = async () => {
    const { entries: found } = await bed.store.range(vpnAuditPrefix);
    return found.map(({ key, value }) => decodeRecord(vpnAuditRecordSchema, key, value));
  };
  const before = (await entries()).length;
  const { revision } = await set(0);
  await set(0);
  await remove(revision);
  const added = (await entries()).slice(before);
  const subject = createHash('sha256').update(text).digest('hex');
  assert.deepEqual(
    new Set(added.map(({ atMs: _, ...entry }) => JSON.stringify(entry))),
    new Set(
      ['placement-policy-set', 'placement-policy-removed'].map((action) =>
        JSON.stringify({ version: 1, action, actor: 'operator:ada', master: 'elbe', subject }),
      ),
    ),
  );
});

test('masters go by what the text said to the one that checked it, or read it themselves', async () => {
  await set(0);
  const entry = await bed.store.get(placementPolicyKey);
  const record = decodeRecord(
    placementPolicyRecordSchema,
    placementPolicyKey,
    entry?.value ?? new Uint8Array(),
  );
  assert.deepEqual(record.written, { hysteresis: { points: 7 } });
  assert.ok(!('written' in ((await show()).policy ?? {})));
  for (const [written, points] of [
    [{ hysteresis: { points: 8 } }, 8],
    [{ hysteresis: { points: 'as another version has it' } }, 7],
  ] as const) {
    const { revision } = await store({ ...record, written });
    await until('it was read', () => elbe.master.directory.revision >= revision);
    assert.equal(pointsAt(elbe), points);
  }
});

test('a stored policy that is none is logged, and the last good one is used', async () => {
  await set(0);
  for (const bad of ['movesPerMinute: 0\n', 'a: [', undefined]) {
    const { revision } = await store({ version: 1, text: bad, changedAtMs: 1, changedBy: 'x' });
    await until('it was read', () => elbe.master.directory.revision >= revision);
    assert.equal(pointsAt(elbe), 7);
  }
});
