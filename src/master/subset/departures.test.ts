import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { auditRecordSchema } from '../../model/records/audit.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { memberRecordSchema } from '../../model/records/roll.ts';
import { auditPrefix, memberKey, subsetKeyPrefix } from '../../store/keys.ts';

/** How far the clocks of two nodes may be apart. */
const clockSkewMs = 5 * 60_000;
const hamburg = parseSubsetName('hamburg');
const actor = `operator:${operatorName}`;

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const open = () => GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });

async function stored(name: string) {
  const entry = await bed.store.get(memberKey(hamburg, parseMemberName(name)));
  return entry && decodeRecord(memberRecordSchema, entry.key, entry.value);
}

async function members(subset: GovernedSubset, prefix: string, count: number) {
  const id = await subset.invite(count);
  const nodes = Array.from({ length: count }, (_, index) => newcomer(`${prefix}-${index}`));
  await Promise.all(nodes.map((node) => subset.admit(id, node)));
  return nodes;
}

test('an eviction is one transaction: record, next key and audit entry, and then the word of it', async () => {
  await using subset = await open();
  const member = await subset.member('anna');
  const before = subset.acting.state.key;
  const { key } = await subset.acting.departures.remove(member.name, 'evicted', actor);
  const entry = await bed.store.get(memberKey(hamburg, member.name));
  assert.equal(entry?.modRevision, key.revision);
  const { entries } = await bed.store.range(subsetKeyPrefix(hamburg), { reverse: true, limit: 1 });
  assert.equal(entries[0]?.modRevision, key.revision);
  assert.equal(key.epoch, before.epoch + 1);
  assert.notEqual(key.groupKey, before.groupKey);
  const audit = (await subset.audit()).find(({ action }) => action === 'member-evicted');
  assert.deepEqual(
    [audit?.action, audit?.actor, audit?.subject, audit?.epoch],
    ['member-evicted', actor, 'anna', key.epoch],
  );
  assert.deepEqual(subset.events.endings, [{ name: 'anna', reason: 'evicted' }]);
  const record = await stored('anna');
  assert.equal(record?.state, 'evicted');
  assert.equal(record?.reusableAtMs, member.certificateEndsAtMs + clockSkewMs);
});

test('fifty evictions at once need few rotations, and each one its own audit entry', async () => {
  await using subset = await open();
  const nodes = await members(subset, 'fifty', 50);
  const before = subset.acting.state.key.epoch;
  const departures = await Promise.all(
    nodes.map(({ name }) => subset.acting.departures.remove(name, 'evicted', actor)),
  );
  const rotations = subset.acting.state.key.epoch - before;
  assert.ok(rotations <= 4, `${rotations} rotations`);
  for (const { member, key } of departures) {
    const entry = await bed.store.get(memberKey(hamburg, member.name));
    assert.ok(
      entry && entry.modRevision <= key.revision,
      'gone before the key that it is told with',
    );
  }
  const evicted = (await subset.audit()).filter(
    ({ action, subject }) => action === 'member-evicted' && subject.startsWith('fifty-'),
  );
  assert.equal(new Set(evicted.map(({ subject }) => subject)).size, 50);
  assert.equal(subset.events.endings.length, 50);
});

test('a member is evicted once: the second request is refused in words', async () => {
  await using subset = await open();
  const { name } = await subset.member('berta');
  const results = await Promise.allSettled([
    subset.acting.departures.remove(name, 'evicted', actor),
    subset.acting.departures.remove(name, 'banned', actor),
    subset.acting.departures.remove(name, 'left', actor),
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? result.reason.code : 'removed')),
    ['removed', 'not-active', 'not-active'],
  );
  await assert.rejects(subset.acting.departures.remove(name, 'evicted', actor), {
    code: 'not-active',
    message: /berta is not in hamburg any more: it was evicted at 20/,
  });
  await assert.rejects(
    subset.acting.departures.remove(parseMemberName('nobody'), 'evicted', actor),
    { code: 'no-such-member', message: /there is no member nobody in hamburg/ },
  );
});

test('an eviction and renewals of one member follow one another, whatever their order', async () => {
  await using subset = await open();
  const nodes = await members(subset, 'race', 20);
  const { departures, renewals } = subset.acting;
  await Promise.allSettled(
    nodes.flatMap(({ name }) => [
      renewals.renew(name),
      departures.remove(name, 'evicted', actor),
      renewals.renew(name),
      renewals.noteAlsoIn(name, parseSubsetName('berlin')),
    ]),
  );
  for (const { name } of nodes) {
    const record = await stored(name);
    assert.equal(record?.state, 'evicted', name);
    assert.deepEqual(subset.acting.state.roll.findByName(name), record);
    await assert.rejects(renewals.renew(name), { code: 'not-active' });
  }
});

test('a join of the name that is being evicted waits, and is refused while the name rests', async () => {
  await using subset = await open();
  const { name } = await subset.member('carla');
  const leaving = subset.acting.departures.remove(name, 'evicted', actor);
  const joining = subset.admit(await subset.invite(), newcomer('carla'));
  await leaving;
  const result = await joining;
  assert.equal(result.kind === 'refused' && result.code, 'name-taken');
  assert.match(
    result.kind === 'refused' ? result.message : '',
    /until 20.*join with another --name/,
  );
});

test('an eviction that is asked for while the member is being admitted comes after', async () => {
  await using subset = await open();
  const node = newcomer('dora');
  const id = await subset.invite();
  const gate = Promise.withResolvers<void>();
  subset.store.held = gate.promise;
  const joining = subset.admit(id, node);
  // The decision has been taken and is on its way to the store.
  while (!subset.acting.state.roll.findActive(node.name)) await Promise.resolve();
  const leaving = subset.acting.departures.remove(node.name, 'evicted', actor);
  gate.resolve();
  assert.equal((await joining).kind, 'admitted');
  assert.equal((await leaving).member.state, 'evicted');
});

test('a node that left may take up its own name and address again at once', async () => {
  await using subset = await open();
  const node = newcomer('emil');
  const first = await subset.admit(await subset.invite(), node);
  await subset.acting.departures.remove(node.name, 'left', 'member:emil');
  const second = await subset.admit(await subset.invite(), node);
  assert.equal(
    second.kind === 'admitted' && second.member.ipv4,
    first.kind === 'admitted' && first.member.ipv4,
  );
});

test('a departure that could not be written has not happened', async () => {
  await using subset = await open();
  const { name } = await subset.member('frida');
  const before = subset.acting.state.key;
  subset.store.faults.push('not applied');
  await assert.rejects(subset.acting.departures.remove(name, 'evicted', actor), {
    code: 'unavailable',
  });
  assert.deepEqual(subset.events.endings, []);
  assert.equal(subset.acting.state.key, before);
  assert.equal((await stored('frida'))?.state, 'active');
});

test('a departure whose answer was lost is found in the store by whoever acts next', async () => {
  const name = parseMemberName('gerda');
  {
    await using subset = await open();
    await subset.member('gerda');
    subset.store.faults.push('answer lost');
    await assert.rejects(subset.acting.departures.remove(name, 'evicted', actor), {
      code: 'unavailable',
    });
  }
  await using again = await open();
  assert.equal(again.acting.state.roll.findByName(name)?.state, 'evicted');
  const { entries } = await bed.store.range(subsetKeyPrefix(hamburg), { reverse: true, limit: 1 });
  assert.equal(entries[0]?.modRevision, again.acting.state.key.revision);
});

test('rotations that are asked for at once give every epoch one key, and the store keeps two', async () => {
  await using subset = await open();
  const before = subset.acting.state.key.epoch;
  const keys = await Promise.all(
    Array.from({ length: 10 }, () => subset.acting.departures.rotate('master:elbe')),
  );
  assert.deepEqual(
    keys.map(({ epoch }) => epoch),
    Array.from({ length: 10 }, (_, index) => before + 1 + index),
  );
  const { entries } = await bed.store.range(subsetKeyPrefix(hamburg));
  assert.equal(entries.length, 2);
});

test('a rotation that was asked for is one transaction with its audit entry, which has the name', async () => {
  await using subset = await open();
  const { epoch } = subset.acting.state.key;
  const key = await subset.acting.departures.rotate(actor, 'key-rotated-on-request');
  assert.equal(key.epoch, epoch + 1);
  const { entries } = await bed.store.range(auditPrefix(hamburg), { reverse: true, limit: 1 });
  const [stored] = entries;
  assert.ok(stored);
  assert.equal(stored.modRevision, key.revision);
  const entry = decodeRecord(auditRecordSchema, stored.key, stored.value);
  assert.deepEqual(
    [entry.action, entry.actor, entry.subject, entry.epoch],
    ['key-rotated-on-request', actor, 'hamburg', key.epoch],
  );
});

test('rotations and departures that are asked for at once follow one another, each with its own key', async () => {
  await using subset = await open();
  const { name } = await subset.member('gustav');
  const { departures, state } = subset.acting;
  const { epoch } = state.key;
  const [one, left, other] = await Promise.all([
    departures.rotate('operator:ada', 'key-rotated-on-request'),
    departures.remove(name, 'evicted', actor),
    departures.rotate('operator:bob', 'key-rotated-on-request'),
  ]);
  const epochs = [one.epoch, left.key.epoch, other.epoch].sort((a, b) => a - b);
  assert.deepEqual(epochs, [epoch + 1, epoch + 2, epoch + 3]);
  assert.equal(state.key.epoch, epoch + 3);
  const actors = (await subset.audit())
    .filter((entry) => entry.action === 'key-rotated-on-request' && entry.epoch > epoch)
    .map((entry) => entry.actor);
  assert.deepEqual(actors.toSorted(), ['operator:ada', 'operator:bob']);
});

test('half-way through a hand-over nothing is rotated', async () => {
  await using subset = await open();
  const { state, departures } = subset.acting;
  const gate = Promise.withResolvers<void>();
  subset.store.held = gate.promise;
  const begun = departures.rotate(actor, 'key-rotated-on-request');
  while (subset.store.transactions === 0) await Promise.resolve();
  const closing = state.close();
  const late = departures.rotate(actor, 'key-rotated-on-request');
  gate.resolve();
  await closing;
  const { epoch } = await begun;
  await assert.rejects(late, { code: 'not-acting', retryable: true });
  assert.equal(state.key.epoch, epoch);
  const { entries } = await bed.store.range(subsetKeyPrefix(hamburg), { reverse: true, limit: 1 });
  assert.match(entries[0]?.key ?? '', new RegExp(`/0*${epoch}$`));
});
