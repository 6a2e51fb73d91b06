import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../model/prefix.ts';
import {
  formatClosing,
  formatGuard,
  formatOpening,
  formatRemoval,
  formatTable,
  type KernelPair,
  relayTableName,
} from './relay-table.ts';

const tableName = 'hanse_x_relay';
const four: KernelPair = {
  ...{ id: 'four', family: 4 },
  first: { address: parseAddress('192.0.2.1'), port: 61_000 },
  second: { address: parseAddress('198.51.100.1'), port: 61_001 },
  sources: { first: parseAddress('192.0.2.9'), second: parseAddress('198.51.100.9') },
};
const six: KernelPair = {
  ...{ id: 'six', family: 6 },
  first: { address: parseAddress('2001:db8:1::1'), port: 61_002 },
  second: { address: parseAddress('2001:db8:2::1'), port: 61_003 },
  sources: { first: parseAddress('2001:db8:1::9'), second: parseAddress('2001:db8:2::9') },
};
const empty = { tableName, ports: 10, pairs: [], guarded: [] };

const setsOf = (lines: readonly string[], verb: string): readonly string[] =>
  lines.map((line) => {
    assert.ok(line.startsWith(`${verb} element inet ${tableName} `), line);
    return line.slice(`${verb} element inet ${tableName} `.length);
  });

test('what an end sends goes to the other one, from the address that the other one knows', () => {
  const elements = [
    'sender4 { 61000 . 192.0.2.1 }',
    'far_port { 61000 : 61001 }',
    'far_address4 { 61000 : 198.51.100.1 }',
    'source4 { 61001 . 192.0.2.1 : 198.51.100.9 }',
    'sender4 { 61001 . 198.51.100.1 }',
    'far_port { 61001 : 61000 }',
    'far_address4 { 61001 : 192.0.2.1 }',
    'source4 { 61000 . 198.51.100.1 : 192.0.2.9 }',
  ];
  assert.deepEqual(setsOf(formatOpening(tableName, four), 'add'), [
    ...elements,
    'fresh { 61000, 61001 }',
  ]);
  assert.deepEqual(setsOf(formatClosing(tableName, four), 'delete'), elements);
});

test('each family has its own sets', () => {
  const sets = setsOf(formatClosing(tableName, six), 'delete').map((line) => line.split(' ', 1)[0]);
  const once = ['sender6', 'far_port', 'far_address6', 'source6'];
  assert.deepEqual(sets, [...once, ...once]);
});

test('a table that is made anew has all that is open, and nothing of what was there', () => {
  const guarded = { name: 'eth0', family: 6 } as const;
  const text = formatTable({ ...empty, pairs: [four, six], guarded: [guarded] });
  assert.ok(text.startsWith(formatRemoval(tableName)));
  assert.deepEqual(text.trimEnd().split('\n').slice(-19), [
    formatGuard('add', tableName, guarded),
    ...formatOpening(tableName, four),
    ...formatOpening(tableName, six),
  ]);
  assert.equal(
    formatGuard('add', tableName, guarded).split(`${tableName} `)[1],
    'guarded6 { "eth0" }',
  );
});

test('rules do not depend on what is open, and what is learnt is bounded by the ports', () => {
  const rules = formatTable(empty);
  assert.ok(formatTable({ ...empty, pairs: [four, six] }).startsWith(rules));
  const dynamic = rules.split('\n').filter((line) => line.includes('flags dynamic'));
  assert.equal(dynamic.length, 4);
  for (const line of dynamic) assert.match(line, / size (10|320); /);
});

test('a datagram is left to others unless an end sent it to us, and dropped unless it can go on', () => {
  const text = formatTable(empty);
  for (const [header, family] of [
    ['ip', 4],
    ['ip6', 6],
  ] as const) {
    const sender = `udp dport . ${header} saddr @sender${family}`;
    assert.ok(
      chainIn(text, 'prerouting').includes(`${sender} fib daddr type local goto relay${family}`),
    );
    const rules = chainIn(text, `relay${family}`);
    assert.equal(rules[1], 'udp length < 40 drop');
    assert.equal(rules[2], '@th,64,32 != { 0x01000000, 0x02000000, 0x03000000, 0x04000000 } drop');
    assert.deepEqual(
      rules.filter((rule) => rule.includes('accept')),
      rules.slice(-2, -1),
    );
    assert.equal(rules.at(-1), 'drop');
  }
});

test('the table is beside that of the same owner', () => {
  assert.match(relayTableName('vpn/elbe'), /^hanse_[0-9a-v]{12}_relay$/);
  assert.notEqual(relayTableName('vpn/elbe'), relayTableName('vpn/oder'));
});

/** The rules of a chain, in their order. */
function chainIn(text: string, name: string): readonly string[] {
  const [, body = ''] = text.split(`chain ${name} {\n`);
  return (body.split('\n}\n', 1)[0] ?? '').split('\n');
}
