import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { type MeasuredMember, settleMoves } from './placement-moving.ts';

const [europe, asia] = [parseSubsetName('europe'), parseSubsetName('asia')];
const [fra, sin] = [parseMasterName('fra'), parseMasterName('sin')];
const subsets = [
  { name: europe, home: fra, acting: fra, backups: [], blocks: [] },
  { name: asia, home: sin, acting: sin, backups: [], blocks: [] },
];
const member = (name: string, subset = europe, more: Partial<MeasuredMember> = {}) => ({
  ...{ name: parseMemberName(name), subset, acting: subset === europe ? fra : sin },
  ...more,
});
const order = (to = asia, expiresAtMs = 100) => ({
  ...{ to, inviteId: '3b241101-e2bb-4255-8caf-4136c566a962', graceMs: 0 },
  ...{ orderedAtMs: 0, expiresAtMs, by: 'operator:ada' },
});
const settle = (...members: readonly MeasuredMember[]) => {
  const { present, moving } = settleMoves(members, { subsets }, 50);
  const names = (some: readonly MeasuredMember[]) =>
    some.map(({ name, subset, acting }) => `${name}.${subset} ${acting}`);
  return [names(present), names(moving)];
};

test('who has moved counts once, where it is now', () => {
  const movedTo = { subset: asia, atMs: 1, leavesAtMs: 900 };
  assert.deepEqual(settle(member('web', europe, { movedTo }), member('web', asia)), [
    ['web.asia sin'],
    [],
  ]);
});

test('who is on its way counts where it is going, also when it is in both rolls for a moment', () => {
  const web = member('web', europe, { moving: order() });
  assert.deepEqual(settle(web, member('db')), [['db.europe fra'], ['web.asia sin']]);
  assert.deepEqual(settle(web, member('web', asia)), [[], ['web.asia sin']]);
});

test('an order that has failed or ended, or leads to nowhere, moves nobody', () => {
  const failed = { ...order(), failure: { atMs: 1, reason: 'no answer' } };
  for (const moving of [failed, order(asia, 50), order(parseSubsetName('north'))]) {
    assert.deepEqual(settle(member('web', europe, { moving })), [['web.europe fra'], []]);
  }
});
