import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { until } from '../../../test/support/until.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import { memberKey, restoredKey, subsetKeyPrefix } from '../../store/keys.ts';

const hamburg = parseSubsetName('hamburg');
const actor = `operator:${operatorName}`;
const dayMs = 86_400_000;

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const open = () => GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });

/** Members as a restoration leaves them, and the subset opened on them. */
async function openSuspended(prefix: string, count: number) {
  const nodes = Array.from({ length: count }, (_, index) => newcomer(`${prefix}-${index}`));
  {
    await using subset = await open();
    const id = await subset.invite(count);
    for (const node of nodes) await subset.admit(id, node);
    const members = nodes.map(({ name }) => subset.acting.state.roll.findActive(name));
    await suspend(members.filter((member) => member !== undefined));
  }
  return { nodes, subset: await open() };
}

async function suspend(members: readonly MemberRecord[]): Promise<void> {
  for (const member of members) {
    const record = { ...member, state: 'suspended' };
    const put = { put: memberKey(hamburg, member.name), value: encodeRecord(record) };
    await bed.store.transact({ if: [], then: [put] });
  }
}

test('a suspended member keeps its place and is nobody’s peer', async () => {
  const { nodes, subset } = await openSuspended('kept', 1);
  await using _closing = subset;
  const [node] = nodes;
  assert.ok(node);
  const { roll } = subset.acting.state;
  const member = roll.findByName(node.name);
  assert.equal(member?.state, 'suspended');
  assert.equal(roll.findActive(node.name), undefined);
  assert.equal(roll.findActiveByIdentity(node.identityKey), undefined);
  assert.deepEqual([...roll.activeMembers()], []);
  assert.deepEqual([roll.activeCount, roll.suspendedCount], [0, 1]);
  assert.ok(roll.takenIndexes.has(member.addressIndex));

  const again = await subset.admit(await subset.invite(), node);
  assert.deepEqual(
    again.kind === 'refused' && [again.code, /hanse member confirm kept-0/.test(again.message)],
    ['suspended', true],
  );
  const namesake = await subset.admit(await subset.invite(), newcomer('kept-0'));
  assert.equal(namesake.kind === 'refused' && namesake.code, 'name-taken');
  const thief = { ...newcomer('other'), keys: node.keys };
  const stolen = await subset.admit(await subset.invite(), thief);
  assert.equal(stolen.kind === 'refused' && stolen.code, 'key-taken');
  await assert.rejects(subset.acting.renewals.renew(node.name), {
    code: 'suspended',
    retryable: true,
  });
});

test('time does nothing to a suspended member, and its absence begins when it is confirmed', async () => {
  const { nodes, subset } = await openSuspended('slow', 1);
  await using _closing = subset;
  const name = nodes[0]?.name ?? parseMemberName('nobody');
  const { clock, acting } = subset;
  const control = await subset.member('control');
  const stop = new AbortController();
  const running = acting.run(stop.signal);
  await until('the control has expired', () => {
    clock.advance(dayMs);
    return !acting.state.roll.findActive(control.name);
  });
  assert.equal(acting.state.roll.findByName(name)?.state, 'suspended');
  await acting.confirmations.confirm(name, actor);
  const { certificateEndsAtMs } = acting.state.requireActive(name);
  assert.equal(certificateEndsAtMs, clock.nowMs() + acting.state.lifetimes.certificateMs);
  stop.abort();
  await running;
});

test('all are confirmed at once, each with its own audit entry, and those who are put out are not', async () => {
  const { nodes, subset } = await openSuspended('many', 120);
  await using _closing = subset;
  const { confirmations, departures, state } = subset.acting;
  const [evicted, ...others] = nodes.map(({ name }) => name);
  assert.ok(evicted);
  await departures.remove(evicted, 'evicted', actor);
  const confirmed = await confirmations.confirmAll(actor);
  const ofThisTest = confirmed.filter((name) => name.startsWith('many-'));
  assert.deepEqual(ofThisTest.sort(), others.toSorted());
  assert.equal(state.roll.activeCount >= others.length, true);
  assert.equal(state.roll.suspendedCount, 0);
  const entries = (await subset.audit()).filter(
    ({ action, subject }) => action === 'member-confirmed' && subject.startsWith('many-'),
  );
  assert.deepEqual(entries.map(({ subject }) => subject).sort(), others.toSorted());
  await assert.rejects(confirmations.confirm(evicted, actor), { code: 'not-active' });
  await confirmations.confirm(others[0] ?? evicted, actor);
  await assert.rejects(confirmations.confirm(parseMemberName('nobody'), actor), {
    code: 'no-such-member',
  });
});

test('a confirmation and an eviction at once: whichever comes last wins, and store and memory agree', async () => {
  const { nodes, subset } = await openSuspended('race', 20);
  await using _closing = subset;
  const { confirmations, departures, state } = subset.acting;
  await Promise.all([
    confirmations.confirmAll(actor),
    ...nodes.map(({ name }) => departures.remove(name, 'banned', actor)),
  ]);
  for (const { name, identityKey } of nodes) {
    assert.equal(state.roll.findByName(name)?.state, 'banned', name);
    assert.ok(state.roll.isBanned(identityKey));
  }
});

test('who acts on a restored roll first replaces its key before anything else, and once', async () => {
  const restored = { version: 1, backupAtMs: 1_000, restoredAtMs: 2_000 };
  const [before] = await newestKeys();
  await bed.store.transact({
    if: [],
    then: [{ put: restoredKey(hamburg), value: encodeRecord(restored) }],
  });
  for (const _attempt of [1, 2]) {
    await using subset = await open();
    assert.equal(subset.acting.state.key.epoch, epochOf(before?.key) + 1);
    const [newest] = await newestKeys();
    assert.equal(newest?.modRevision, subset.acting.state.key.revision);
    assert.equal(await bed.store.get(restoredKey(hamburg)), undefined);
    const entries = (await subset.audit()).filter(({ action }) => action === 'subset-restored');
    assert.deepEqual(
      entries.map(({ actor: by, subject, epoch }) => [by, subject, epoch]),
      [['master:elbe', 'backup of 1970-01-01T00:00:01.000Z', subset.acting.state.key.epoch]],
    );
  }
});

const newestKeys = async () =>
  (await bed.store.range(subsetKeyPrefix(hamburg), { reverse: true, limit: 1 })).entries;

const epochOf = (key: string | undefined): number => Number(key?.split('/').at(-1));
