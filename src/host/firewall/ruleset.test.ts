import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseAddress, parsePrefix } from '../../model/prefix.ts';
import { formatRuleset } from './ruleset.ts';

const options = { tableName: 'hanse_x', startOver: false };
const interfaceNames = ['hnsM', 'hnsB'];

/** Those that have just begun are noted before they are like all others. */
const notes = (match: string): readonly string[] =>
  [4, 6].flatMap((family) => {
    const header = family === 4 ? 'ip' : 'ip6';
    const pair = `${header} saddr . ${header} daddr`;
    return [
      `${match} ${pair} != @conversations${family} add @begun${family} { ${pair} }`,
      `${match} update @conversations${family} { ${pair} }`,
    ];
  });

it('without interfaces there is no table', () => {
  assert.equal(
    formatRuleset({ interfaceNames: [] }, options),
    'table inet hanse_x {}\ndelete table inet hanse_x\n',
  );
});

it('a node that is no gateway drops all that would cross it by our interfaces', () => {
  assert.deepEqual(rulesOf(formatRuleset({ interfaceNames }, options)), {
    prerouting: [],
    forward: [
      'iifname { "hnsM", "hnsB" } counter name "not_gateway" drop',
      'oifname { "hnsM", "hnsB" } counter name "not_gateway" drop',
    ],
    output: [],
  });
});

it('a gateway checks sources first, then where packets cross, and clamps segments and notes pairs last', () => {
  const gateway = {
    prefixes: [parsePrefix('100.64.0.0/10'), parsePrefix('fd00::/48')],
    members: [{ name: 'hnsM', sources: [parsePrefix('100.64.1.0/24')] }],
    backbone: [{ name: 'hnsB', refused: [parsePrefix('100.64.1.0/24')] }],
  };
  assert.deepEqual(rulesOf(formatRuleset({ interfaceNames, gateway }, options)), {
    prerouting: [
      'iifname "hnsM" ip saddr != { 100.64.1.0/24 } counter name "spoofed" drop',
      // It has no IPv6 sources, so all IPv6 but probes is forged.
      'iifname "hnsM" ip6 saddr != { fe80::/10 } counter name "spoofed" drop',
      'iifname "hnsB" ip saddr { 100.64.1.0/24 } counter name "spoofed" drop',
    ],
    forward: [
      'iifname != { "hnsM", "hnsB" } oifname != { "hnsM", "hnsB" } accept',
      'iifname != { "hnsM", "hnsB" } counter name "foreign_interface" drop',
      'oifname != { "hnsM", "hnsB" } counter name "foreign_interface" drop',
      'ip saddr != { 100.64.0.0/10 } counter name "outside_vpn" drop',
      'ip6 saddr != { fd00::/48 } counter name "outside_vpn" drop',
      'ip daddr != { 100.64.0.0/10 } counter name "outside_vpn" drop',
      'ip6 daddr != { fd00::/48 } counter name "outside_vpn" drop',
      'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
      ...notes('iifname { "hnsM" } oifname { "hnsM" }'),
    ],
    output: [
      'oifname { "hnsM", "hnsB" } icmp type redirect drop',
      'oifname { "hnsM", "hnsB" } icmpv6 type nd-redirect drop',
    ],
  });
});

it('where members of different gateways may meet, it is noted whom members send to by the others', () => {
  const gateway = {
    prefixes: [],
    members: [{ name: 'hnsM', sources: [] }],
    backbone: [{ name: 'hnsB', refused: [] }],
    notesDistant: true,
  };
  const { forward = [] } = rulesOf(formatRuleset({ interfaceNames, gateway }, options));
  const expected = notes('iifname { "hnsM" } oifname { "hnsM", "hnsB" }');
  assert.deepEqual(forward.slice(-expected.length), expected);
});

it('only a gateway with members has sets of who talks to whom, bounded in number and time', () => {
  assert.ok(!formatRuleset({ interfaceNames }, options).includes('conversations'));
  const gateway = { prefixes: [], members: [], backbone: [] };
  const text = formatRuleset({ interfaceNames, gateway }, options);
  for (const family of [4, 6]) {
    const type = `ipv${family}_addr`;
    const line =
      `set conversations${family} { type ${type} . ${type}; flags dynamic,timeout; ` +
      'timeout 5s; size 65535; }\n';
    assert.ok(text.includes(line));
  }
  assert.ok(!text.includes('update @'), 'there is nobody to talk');
});

const form = { bit: parseAddress('::8000:0'), gatewayInterfaceId: parseAddress('::1') };
const sealing = { ...form, sealed: 'hnsS', open: ['hns0', 'hns1'] };
/** What no gateway can read, and what one has to say. */
const unreadable = [
  'ip6 saddr & ::8000:0 == ::8000:0 ip6 daddr & ::8000:0 == ::8000:0 meta l4proto udp accept',
  'ip6 daddr & ::8000:0 == ::8000:0 icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
];
const repaired =
  'iifname { "hns0", "hns1" } ip6 saddr & ::8000:0 == ::8000:0 ip6 daddr & ::8000:0 == ::8000:0 udp checksum 0 udp checksum set 0xffff';
const ofGateway = (field: string) => `ip6 ${field} & ::ffff:ffff:ffff:ffff == ::1 accept`;

it('a member that is going over to sealing notes what is open, and drops none of it', () => {
  const filtered = { interfaceNames, sealing: [{ ...sealing, isRequired: false }] };
  const { prerouting, output } = rulesOf(formatRuleset(filtered, options));
  assert.deepEqual(prerouting, [repaired]);
  assert.deepEqual(output, [
    'oifname { "hns0", "hns1" } update @conversations4 { ip saddr . ip daddr }',
    'oifname { "hns0", "hns1" } update @conversations6 { ip6 saddr . ip6 daddr }',
  ]);
});

it('a member that seals lets nothing open pass a gateway, either way, but talk with the gateway itself', () => {
  const filtered = { interfaceNames, sealing: [{ ...sealing, isRequired: true }] };
  const { prerouting, output } = rulesOf(formatRuleset(filtered, options));
  const passes = (field: string) => [
    ...unreadable,
    ofGateway(field),
    `ip6 ${field} fe80::/10 accept`,
  ];
  assert.deepEqual(prerouting, [
    repaired,
    ...passes('saddr').map((match) => `iifname { "hns0", "hns1" } ${match}`),
    'iifname { "hns0", "hns1" } counter name "not_sealed" drop',
  ]);
  assert.deepEqual(output, [
    'oifname { "hnsS" } update @conversations4 { ip saddr . ip daddr }',
    'oifname { "hnsS" } update @conversations6 { ip6 saddr . ip6 daddr }',
    ...passes('daddr').map((match) => `oifname { "hns0", "hns1" } ${match}`),
    'oifname { "hns0", "hns1" } counter name "not_sealed" drop',
  ]);
});

it('a member that seals has the sets that it notes in', () => {
  const filtered = { interfaceNames, sealing: [{ ...sealing, isRequired: false }] };
  const text = formatRuleset(filtered, options);
  for (const family of [4, 6]) assert.ok(text.includes(`set conversations${family} {`));
});

it('a gateway of members that seal forwards what is sealed and what gateways say, and nothing else', () => {
  const gateway = { prefixes: [], members: [], backbone: [] };
  const forward = (more: { readonly onlySealed?: typeof form }) =>
    rulesOf(formatRuleset({ interfaceNames, gateway: { ...gateway, ...more } }, options))[
      'forward'
    ] ?? [];
  const before = forward({});
  assert.deepEqual(forward({ onlySealed: form }).slice(before.length), [
    ...[...unreadable, ofGateway('saddr'), ofGateway('daddr')],
    'counter name "not_sealed" drop',
  ]);
});

it('only the first ruleset of a process throws away what is in the table', () => {
  const first = formatRuleset({ interfaceNames }, { ...options, startOver: true });
  assert.ok(first.startsWith('table inet hanse_x {}\ndelete table inet hanse_x\n'));
  assert.ok(!formatRuleset({ interfaceNames }, options).includes('delete table'));
});

/** The rules of each chain, out of the last block of the text. */
function rulesOf(text: string): Record<string, string[]> {
  const block = text.slice(text.lastIndexOf('table inet hanse_x {'));
  const rules: Record<string, string[]> = {};
  for (const [, name, body] of block.matchAll(/chain (\w+) \{\n((?:(?!\}\n).*\n)*)\}/g)) {
    rules[name ?? ''] = (body ?? '').split('\n').filter((line) => line !== '');
  }
  return rules;
}
