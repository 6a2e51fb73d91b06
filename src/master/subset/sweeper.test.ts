import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { parseSubsetName } from '../../model/names.ts';
import { invitePrefix, inviteUsePrefix, memberKey, placementPrefix } from '../../store/keys.ts';
import { Sweeper } from './sweeper.ts';

/** How far the clocks of two nodes may be apart. */
const clockSkewMs = 5 * 60_000;
const hamburg = parseSubsetName('hamburg');
const hourMs = 3_600_000;
const lifetimes = { certificateMs: hourMs, keyRotationMs: 24 * hourMs, absenceMs: 600_000 };

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] }, lifetimes });
});
after(() => bed[Symbol.asyncDispose]());

async function open(
  name = 'hamburg',
): Promise<{ subset: GovernedSubset; sweep: () => Promise<void> } & AsyncDisposable> {
  const subset = await GovernedSubset.open(bed, { subset: name, master: 'elbe' });
  const { acting, clock, connected, master } = subset;
  const sweeper = new Sweeper(
    { state: acting.state, master },
    { clock, departures: acting.departures, isConnected: ({ name }) => connected.has(name) },
  );
  return {
    subset,
    sweep: () => sweeper.sweep(),
    [Symbol.asyncDispose]: () => subset[Symbol.asyncDispose](),
  };
}

test('a member that is silent expires when its certificate has been over for the absence allowed', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const [silent, present] = [await subset.member('anna'), await subset.member('berta')];
  subset.connected.add(present.name);
  subset.clock.advance(lifetimes.certificateMs + lifetimes.absenceMs - 1);
  await sweep();
  assert.equal(subset.acting.state.roll.findByName(silent.name)?.state, 'active');
  subset.clock.advance(1);
  await sweep();
  // By then no certificate of it can be valid, so that its name is free in the same sweep.
  assert.equal(subset.acting.state.roll.findByName(silent.name), undefined);
  assert.equal(subset.acting.state.roll.findByName(present.name)?.state, 'active');
  assert.deepEqual(subset.events.endings, [{ name: 'anna', reason: 'expired' }]);
  const audit = (await subset.audit()).filter(({ action }) => action === 'member-expired');
  assert.deepEqual(
    audit.map(({ actor }) => actor),
    ['master:elbe'],
  );
});

test('a member that has moved and does not leave is removed, and not before', async () => {
  await using bench = await open('berlin');
  const { subset, sweep } = bench;
  const { name } = await subset.member('clara');
  subset.connected.add(name);
  const { moves, state } = subset.acting;
  subset.clock.advance(1);
  const nowMs = subset.clock.nowMs();
  await moves.order(name, {
    ...{ to: hamburg, inviteId: crypto.randomUUID(), token: 'hanse_x', graceMs: 60_000 },
    ...{ expiresAtMs: nowMs + hourMs, by: 'operator:ada' },
  });
  await moves.finish(name, parseSubsetName('bremen'));
  assert.equal(state.roll.findByName(name)?.movedTo, undefined, 'it was not ordered to bremen');
  subset.clock.advance(1);
  await moves.finish(name, hamburg);
  subset.clock.advance(60_000 + 29_999);
  await sweep();
  assert.equal(state.roll.findByName(name)?.state, 'active');
  subset.clock.advance(1);
  await sweep();
  assert.equal(state.roll.findByName(name)?.state, 'left');
  assert.deepEqual(
    (await subset.audit()).map(({ action, actor }) => `${action} ${actor}`).slice(-3),
    ['member-move-ordered operator:ada', 'member-moved member:clara', 'member-left master:elbe'],
  );
});

test('renewing is a sign of life', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const { name } = await subset.member('carla');
  for (let hours = 0; hours < 3; hours += 1) {
    subset.clock.advance(lifetimes.certificateMs);
    await subset.acting.renewals.renew(name);
    await sweep();
  }
  assert.equal(subset.acting.state.roll.findByName(name)?.state, 'active');
});

test('a name comes free when no certificate of its bearer can be valid, and not before', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const { name } = await subset.member('dora');
  await subset.acting.departures.remove(name, 'evicted', 'operator:ada');
  subset.clock.advance(lifetimes.certificateMs + clockSkewMs - 1);
  await sweep();
  const early = await subset.admit(await subset.invite(), newcomer('dora'));
  assert.equal(early.kind === 'refused' && early.code, 'name-taken');
  subset.clock.advance(1);
  await sweep();
  assert.equal(await bed.store.get(memberKey(hamburg, name)), undefined);
  assert.ok(
    (await subset.audit()).some(
      ({ action, subject }) => action === 'name-released' && subject === 'dora',
    ),
  );
  const late = await subset.admit(await subset.invite(), newcomer('dora'));
  assert.equal(late.kind, 'admitted');
});

test('more names come free at once than fit into one transaction', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const id = await subset.invite(120);
  const nodes = Array.from({ length: 120 }, (_, index) => newcomer(`many-${index}`));
  await Promise.all(nodes.map((node) => subset.admit(id, node)));
  await Promise.all(
    nodes.map(({ name }) => subset.acting.departures.remove(name, 'evicted', 'operator:ada')),
  );
  subset.clock.advance(lifetimes.certificateMs + clockSkewMs);
  await sweep();
  for (const { name } of nodes) assert.equal(subset.acting.state.roll.findByName(name), undefined);
});

test('a former bearer that comes back while its name is released loses nothing', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const node = newcomer('emil');
  await subset.admit(await subset.invite(), node);
  await subset.acting.departures.remove(node.name, 'left', 'member:emil');
  subset.clock.advance(lifetimes.certificateMs + clockSkewMs);
  const id = await subset.invite();
  const [, result] = await Promise.all([sweep(), subset.admit(id, node)]);
  assert.equal(result.kind, 'admitted');
  assert.equal(subset.acting.state.roll.findByName(node.name)?.state, 'active');
  assert.ok(await bed.store.get(memberKey(hamburg, node.name)));
});

test('an ended invite is forgotten after an hour, its uses with it, and admits nobody afterwards', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const id = await subset.invite(2, 60_000);
  await subset.admit(id, newcomer('frida'));
  subset.clock.advance(60_000);
  await sweep();
  assert.ok(subset.acting.state.roll.findInvite(id));
  const expired = await subset.admit(id, newcomer('gerda'));
  assert.equal(expired.kind === 'refused' && expired.code, 'token-expired');
  subset.clock.advance(hourMs);
  await sweep();
  assert.equal(subset.acting.state.roll.findInvite(id), undefined);
  assert.deepEqual((await bed.store.range(`${invitePrefix(hamburg)}${id}`)).entries, []);
  assert.deepEqual((await bed.store.range(`${inviteUsePrefix(hamburg)}${id}`)).entries, []);
  const forgotten = await subset.admit(id, newcomer('gerda'));
  assert.equal(forgotten.kind === 'refused' && forgotten.code, 'token-used');
});

test('the uses of a revoked invite go with the next sweep', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const id = await subset.invite(2);
  await subset.admit(id, newcomer('hans'));
  await subset.acting.invites.revoke(id, 'operator:ada');
  await sweep();
  assert.deepEqual((await bed.store.range(`${inviteUsePrefix(hamburg)}${id}`)).entries, []);
});

test('what an invite has placed goes with it', async () => {
  await using bench = await open();
  const { subset, sweep } = bench;
  const id = randomUUID();
  const placed = { id, home: hamburg, candidates: [hamburg] };
  const { invites, placements } = subset.acting;
  await invites.create({ uses: 1, lifetimeMs: 60_000, createdBy: operatorName, placed });
  const { name: member, identityKey } = newcomer('ida');
  const place = { version: 1, use: 0, turn: 1, member, identityKey, subset: hamburg } as const;
  await placements.record(id, place);
  assert.equal(subset.acting.state.roll.findInvite(id)?.counted, 1);
  await invites.revoke(id, 'operator:ada');
  await sweep();
  assert.deepEqual((await bed.store.range(`${placementPrefix(hamburg)}${id}`)).entries, []);
  assert.deepEqual([...subset.acting.state.roll.orphanedPlacements()], []);
});

test('a key grows old and is replaced, once', async () => {
  await using bench = await open('berlin');
  const { subset, sweep } = bench;
  await subset.acting.departures.rotate('master:elbe');
  const { epoch } = subset.acting.state.key;
  subset.clock.advance(lifetimes.keyRotationMs - 1);
  await sweep();
  assert.equal(subset.acting.state.key.epoch, epoch);
  subset.clock.advance(1);
  await sweep();
  await sweep();
  assert.equal(subset.acting.state.key.epoch, epoch + 1);
});
