import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { inviteUsePrefix, memberKey, memberPrefix } from '../../store/keys.ts';
import type { AdmissionResult } from './admissions.ts';
import { loadRoll } from './roll-loading.ts';

const hamburg = parseSubsetName('hamburg');
const actor = `operator:${operatorName}`;

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const open = () => GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });
const admitted = (results: readonly AdmissionResult[]) =>
  results.filter(({ kind }) => kind === 'admitted');
const refusalOf = (result: AdmissionResult) =>
  result.kind === 'refused' ? result.code : result.kind;

test('a single-use invite admits one of twenty who present it at once', async () => {
  await using subset = await open();
  const id = await subset.invite();
  const nodes = Array.from({ length: 20 }, (_, index) => newcomer(`racer-${index}`));
  const results = await Promise.all(nodes.map((node) => subset.admit(id, node)));
  assert.equal(admitted(results).length, 1);
  assert.deepEqual(
    results.filter(({ kind }) => kind === 'refused').map(refusalOf),
    Array(19).fill('token-used'),
  );
  const { entries } = await bed.store.range(`${inviteUsePrefix(hamburg)}${id}/`);
  assert.equal(entries.length, 1);
});

test('an invite for five admits five of twenty, and gives each its own addresses', async () => {
  await using subset = await open();
  const id = await subset.invite(5);
  const nodes = Array.from({ length: 20 }, (_, index) => newcomer(`five-${index}`));
  const results = admitted(await Promise.all(nodes.map((node) => subset.admit(id, node))));
  const members = results.flatMap((result) => (result.kind === 'admitted' ? [result.member] : []));
  assert.equal(members.length, 5);
  assert.equal(new Set(members.map(({ ipv4 }) => ipv4)).size, 5);
  assert.equal(new Set(members.map(({ ipv6 }) => ipv6)).size, 5);
});

test('a deposed master cannot spend an invite that its successor may spend', async () => {
  await using first = await open();
  const id = await first.invite();
  // The same name again, as after a crash: its lease is taken over and the first one's fence breaks.
  await using second = await open();
  const results = await Promise.allSettled([
    first.admit(id, newcomer('late')),
    second.admit(id, newcomer('early')),
  ]);
  assert.equal(results[0].status, 'rejected');
  assert.match(String(results[0].status === 'rejected' && results[0].reason), /no longer acts/);
  assert.equal(results[1].status === 'fulfilled' && results[1].value.kind, 'admitted');
  assert.equal(await bed.store.get(memberKey(hamburg, parseMemberName('late'))), undefined);
});

test('the same key with the same invite is the same member, also when both come at once', async () => {
  await using subset = await open();
  const id = await subset.invite();
  const node = newcomer('twice');
  const results = await Promise.all([subset.admit(id, node), subset.admit(id, node)]);
  const later = await subset.admit(id, node);
  const members = [...results, later].map((result) =>
    result.kind === 'admitted' ? [result.member.name, result.member.ipv4, result.repeated] : result,
  );
  const ipv4 = subset.acting.state.roll.findActive(node.name)?.ipv4;
  assert.deepEqual(members, [
    ['twice', ipv4, false],
    ['twice', ipv4, true],
    ['twice', ipv4, true],
  ]);
});

test('what the store did not take is taken back: name, address, key and use are free again', async () => {
  await using subset = await open();
  const id = await subset.invite();
  const { roll } = subset.acting.state;
  const before = roll.takenCount;
  subset.store.faults.push('not applied');
  const node = newcomer('unlucky');
  await assert.rejects(subset.admit(id, node), { code: 'unavailable', retryable: true });
  assert.equal(roll.findByName(node.name), undefined);
  assert.equal(roll.findByWireguardKey(node.keys.acting), undefined);
  assert.equal(roll.takenCount, before);
  assert.equal(roll.findInvite(id)?.uses.size, 0);
});

test('once memory and store may disagree nothing more is written before the roll is read anew', async () => {
  await using subset = await open();
  const [id, other] = [await subset.invite(), await subset.invite()];
  subset.store.faults.push('answer lost');
  const node = newcomer('limbo');
  await assert.rejects(subset.admit(id, node), { code: 'unavailable' });
  // In memory the place is free, in the store it is not: nobody else may get it.
  await assert.rejects(subset.admit(other, newcomer('limbo')), { code: 'not-acting' });
  await subset[Symbol.asyncDispose]();
  await using again = await open();
  const result = await again.admit(id, node);
  assert.equal(result.kind === 'admitted' && result.repeated, true);
});

test('acting for the subset ends when memory and store may disagree', async () => {
  await using subset = await open();
  const running = subset.acting.run(new AbortController().signal);
  subset.store.faults.push('answer lost');
  await assert.rejects(subset.invite(), { code: 'unavailable' });
  await assert.rejects(running, { code: 'unavailable' });
});

test('a repeated admission waits for the first, and fails with it', async () => {
  await using subset = await open();
  const id = await subset.invite();
  const node = newcomer('shadow');
  const gate = Promise.withResolvers<void>();
  subset.store.held = gate.promise;
  subset.store.faults.push('not applied');
  const first = subset.admit(id, node);
  const second = subset.admit(id, { ...node, name: parseMemberName('shadow-2') });
  gate.resolve();
  await assert.rejects(first, { code: 'unavailable' });
  assert.equal(refusalOf(await second), 'token-used');
});

test('a revoked invite admits nobody, and a join that is under way when it goes does not disturb the subset', async () => {
  await using subset = await open();
  const id = await subset.invite(2);
  const gate = Promise.withResolvers<void>();
  subset.store.held = gate.promise;
  const revoking = subset.acting.invites.revoke(id, actor);
  const joining = subset.admit(id, newcomer('too-late'));
  gate.resolve();
  await revoking;
  assert.equal(refusalOf(await joining), 'token-used');
  assert.equal(refusalOf(await subset.admit(id, newcomer('even-later'))), 'token-used');
  assert.equal(subset.acting.state.roll.findByName(parseMemberName('too-late')), undefined);
  await subset.member('undisturbed');
});

test('a banned key is refused with every invite, until it is unbanned', async () => {
  await using subset = await open();
  const node = newcomer('rogue');
  await subset.admit(await subset.invite(), node);
  await subset.acting.departures.remove(node.name, 'banned', actor);
  const renamed = { ...node, name: parseMemberName('angel') };
  assert.equal(refusalOf(await subset.admit(await subset.invite(), renamed)), 'banned');
  await subset.acting.invites.unban(node.name, actor);
  const result = await subset.admit(await subset.invite(), renamed);
  // The former name’s WireGuard key rests with it; a new key is needed.
  assert.equal(refusalOf(result), 'key-taken');
  const { keys } = newcomer('angel');
  assert.equal((await subset.admit(await subset.invite(), { ...renamed, keys })).kind, 'admitted');
});

test('names, keys and addresses of others are refused', async () => {
  await using subset = await open();
  const victim = await subset.member('victim');
  const { keys } = victim;
  const sameKey = await subset.admit(await subset.invite(), { ...newcomer('thief'), keys });
  assert.equal(refusalOf(sameKey), 'key-taken');
  assert.equal(
    refusalOf(await subset.admit(await subset.invite(), newcomer('victim'))),
    'name-taken',
  );
  await subset.acting.departures.remove(victim.name, 'evicted', actor);
  const resting = await subset.admit(await subset.invite(), newcomer('victim'));
  assert.equal(refusalOf(resting), 'name-taken');
});

test('the roll in memory is the roll in the store after all of this', async () => {
  await using subset = await open();
  const { roll } = await loadRoll(hamburg, bed.store);
  const { entries } = await bed.store.range(memberPrefix(hamburg));
  assert.equal([...roll.members()].length, entries.length);
  assert.deepEqual([...subset.acting.state.roll.members()], [...roll.members()]);
});
