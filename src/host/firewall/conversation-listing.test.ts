import assert from 'node:assert/strict';
import { it } from 'node:test';
import { collectConversations } from './conversation-listing.ts';

const metainfo = { metainfo: { version: '1.0.6', json_schema_version: 1 } };

function listing(elem?: readonly unknown[]): string {
  const set = { family: 'inet', name: 'conversations4', table: 'hanse_x', timeout: 5 };
  return JSON.stringify({
    nftables: [metainfo, { set: elem === undefined ? set : { ...set, elem } }],
  });
}

function timed(...concat: readonly unknown[]) {
  return { elem: { val: { concat }, timeout: 5, expires: 4 } };
}

it('each pair is reported once, whichever way its packets went, with or without times', () => {
  const four = listing([
    timed('100.64.1.6', '100.64.1.5'),
    timed('100.64.1.5', '100.64.1.6'),
    { concat: ['100.64.1.5', '100.64.1.7'] },
  ]);
  const six = listing([timed('fd00::6', 'fd00::5')]);
  assert.deepEqual(collectConversations([four, six]), [
    { one: '100.64.1.5', other: '100.64.1.6' },
    { one: '100.64.1.5', other: '100.64.1.7' },
    { one: 'fd00::5', other: 'fd00::6' },
  ]);
});

it('an empty set has no entries at all', () => {
  assert.deepEqual(collectConversations([listing(), listing([])]), []);
});

it('a member that sends to itself talks to nobody', () => {
  assert.deepEqual(collectConversations([listing([timed('fd00::6', 'fd00::6')])]), []);
});

it('another form is refused', () => {
  for (const text of [
    '',
    '{"nftables": [',
    '{}',
    listing([timed('100.64.1.6')]),
    listing([timed('100.64.1.6', '100.64.1.5', 80)]),
    listing([timed('100.64.1.6', 'elsewhere')]),
    listing([timed(1, 2)]),
    listing(['100.64.1.6']),
  ]) {
    assert.throws(() => collectConversations([text]), { code: 'unreadable-output' }, text);
  }
});
