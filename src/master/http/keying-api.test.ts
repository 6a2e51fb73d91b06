import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import { listVpnAudit } from '../../api/audit-endpoints.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import { getDirectory } from '../../api/directory-endpoints.ts';
import { changeKeying, getKeyStatus } from '../../api/key-endpoints.ts';
import { parseSubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { type KeyingPhase, keyingRecordSchema } from '../../model/records/directory.ts';
import { silentLog } from '../../runtime/log.ts';
import { keyingKey, sharedKeyKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import { setKeying } from './handlers/keying-handler.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let operator: OperatorClient;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  operator = await bed.operator();
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await change('changing');
  await change('per-subset');
});

const change = (phase: KeyingPhase) => operator.call(changeKeying, { body: { phase } });
const keyingNow = async () => (await operator.call(getDirectory, {})).vpn.keying;

async function stored() {
  const entry = await bed.store.get(keyingKey);
  assert.ok(entry);
  return entry;
}

test('each step is done when the master works by it, and says who made it', async () => {
  for (const phase of ['changing', 'shared', 'changing', 'per-subset'] as const) {
    assert.deepEqual(await change(phase), { phase });
    assert.equal(await keyingNow(), phase);
    assert.equal(elbe.view('hamburg').keying, phase);
  }
  const entry = await stored();
  const { by, atMs } = decodeRecord(keyingRecordSchema, entry.key, entry.value);
  assert.equal(by, 'operator:ada');
  assert.ok(Math.abs(atMs - elbe.clock.nowMs()) < 60_000);
});

test('each step is in the audit log of the VPN, and one that changed nothing is not', async () => {
  for (const phase of ['changing', 'shared', 'shared', 'changing', 'per-subset'] as const) {
    await change(phase);
  }
  const { entries } = await operator.call(listVpnAudit, { query: { limit: 4 } });
  assert.deepEqual(
    entries.map(({ action, actor, master, subject }) => [action, actor, master, subject]),
    ['per-subset', 'changing', 'shared', 'changing'].map((phase) => [
      ...['keying-changed', 'operator:ada', 'elbe', phase],
    ]),
  );
});

test('two steps at once are refused, with the command that goes both', async () => {
  const refused = (to: string) => ({
    code: 'refused',
    message: new RegExp(`the way leads through "changing".*hanse vpn keying ${to}`),
  });
  await assert.rejects(change('shared'), refused('shared'));
  assert.equal(await keyingNow(), 'per-subset');
  await change('changing');
  await change('shared');
  await assert.rejects(change('per-subset'), refused('per-subset'));
  assert.equal(await keyingNow(), 'shared');
  await change('changing');
});

test('a step that was made already changes nothing', async () => {
  await change('changing');
  const { modRevision } = await stored();
  assert.deepEqual(await change('changing'), { phase: 'changing' });
  assert.equal((await stored()).modRevision, modRevision);
});

test('the first step begins with a key that nobody has had, the last one leaves the shared key to be told apart', async () => {
  const ownKeys = () => ['hamburg', 'berlin'].map((name) => elbe.subset(name).state.key.groupKey);
  const shared = () => elbe.master.directory.sharedKey?.groupKey;
  await change('changing');
  const first = await until('a shared key', shared);
  await change('per-subset');
  assert.ok(await bed.store.get(sharedKeyKey));
  await until('keys of their own', () => new Set([...ownKeys(), first]).size === 3);
  await elbe.subset('hamburg').departures.rotate('operator:ada');
  const before = ownKeys();
  await change('changing');
  const next = await until('one key', () => new Set(ownKeys()).size === 1 && ownKeys()[0]);
  assert.ok(next !== first && !before.includes(next));
});

test('the key status tells which subsets have the shared key', async () => {
  const isShared = async () => {
    const params = { subset: parseSubsetName('hamburg') };
    return (await operator.call(getKeyStatus, { params })).shared;
  };
  await until('a key of its own', async () => !(await isShared()));
  await change('changing');
  await until('the shared one', isShared);
});

function changeIn(store: Pick<Store, 'get' | 'transact'>): Promise<KeyingPhase> {
  const { name: master, directory } = elbe.master;
  const findUnbound = async () => ({ unbound: [], unknown: [] });
  const parts = { master, directory, store, clock: elbe.clock };
  const dependencies = { ...parts, log: silentLog(), findUnbound };
  return setKeying('changing', 'operator:ada', dependencies, AbortSignal.timeout(10_000));
}

/** A store in which somebody else is always first. */
function contested(store: Store): Pick<Store, 'get' | 'transact'> {
  return {
    get: (...args) => store.get(...args),
    transact: async (transaction, signal) => {
      const entry = await stored();
      await store.transact({ if: [], then: [{ put: entry.key, value: entry.value }] });
      return store.transact(transaction, signal);
    },
  };
}

test('of two who change it at the same moment the second is told so, and may try again', async () => {
  const store = contested(bed.store);
  await assert.rejects(changeIn(store), {
    code: 'conflict',
    retryable: true,
    message: /changed by somebody else/,
  });
  assert.equal(await keyingNow(), 'per-subset');
});

test('whoever made a step is answered though somebody else has gone on from it', async () => {
  const phase = await changeIn({
    get: (...args) => bed.store.get(...args),
    transact: async (transaction, signal) => {
      const result = await bed.store.transact(transaction, signal);
      await change('shared');
      return result;
    },
  });
  assert.equal(phase, 'changing');
  assert.equal(await keyingNow(), 'shared');
});
