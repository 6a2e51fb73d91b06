import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parsePrefix } from '../../model/prefix.ts';
import { formatRuleset } from './ruleset.ts';

const options = { tableName: 'hanse_x', startOver: false };
const interfaceNames = ['hnsM', 'hnsB'];

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
      'iifname { "hnsM" } oifname { "hnsM" } update @conversations4 { ip saddr . ip daddr }',
      'iifname { "hnsM" } oifname { "hnsM" } update @conversations6 { ip6 saddr . ip6 daddr }',
    ],
    output: [
      'oifname { "hnsM", "hnsB" } icmp type redirect drop',
      'oifname { "hnsM", "hnsB" } icmpv6 type nd-redirect drop',
    ],
  });
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
