import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findForwardDrop, parseInterfaces, parseTraffic } from './relay-listing.ts';

const metainfo = { metainfo: { version: '1.0.6', json_schema_version: 1 } };
const listing = (...entries: readonly object[]): string =>
  JSON.stringify({ nftables: [metainfo, ...entries] });
const unreadable = { code: 'unreadable-output' };

const counted = (port: unknown, bytes: number) => [
  { elem: { val: { concat: [port, '192.0.2.1'] }, counter: { packets: 2, bytes } } },
  '192.0.2.9',
];

test('what was sent on is told by port', () => {
  const map = { name: 'source4', elem: [counted(61_000, 300), counted(61_001, 0)] };
  assert.deepEqual(
    parseTraffic(listing({ map })),
    new Map([
      [61_000, { packets: 2, bytes: 300 }],
      [61_001, { packets: 2, bytes: 0 }],
    ]),
  );
  assert.equal(parseTraffic(listing({ map: { name: 'source4' } })).size, 0);
});

test('interfaces are told by name', () => {
  assert.deepEqual(parseInterfaces(listing({ set: { elem: ['eth0', 'wan.7'] } })), [
    'eth0',
    'wan.7',
  ]);
  assert.deepEqual(parseInterfaces(listing({ set: {} })), []);
});

test('a chain of others that drops what is forwarded is found, whatever its family', () => {
  const chain = (changes: object) => ({
    chain: {
      ...{ family: 'ip', table: 'filter', name: 'FORWARD', handle: 1 },
      ...{ type: 'filter', hook: 'forward', prio: 0, policy: 'drop', ...changes },
    },
  });
  const harmless = [
    chain({ policy: 'accept' }),
    chain({ hook: 'input' }),
    chain({ family: 'bridge' }),
    { chain: { family: 'ip', table: 'filter', name: 'jumped-to', handle: 2 } },
  ];
  assert.equal(findForwardDrop(listing(...harmless)), undefined);
  for (const family of ['ip', 'ip6', 'inet'])
    assert.equal(
      findForwardDrop(listing(...harmless, chain({ family }))),
      `${family} filter FORWARD`,
    );
});

test('another form is refused', () => {
  for (const text of ['', '{}', '{"nftables": [', listing({ map: { elem: [counted('x', 1)] } })])
    assert.throws(() => parseTraffic(text), unreadable, text);
  assert.throws(() => parseInterfaces(listing({ set: { elem: [1] } })), unreadable);
  assert.throws(() => findForwardDrop(listing({ chain: { family: 4 } })), unreadable);
});
