import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NatPlan, renderNatRules } from './nat-rules.ts';

const plan: NatPlan = {
  kind: 'port-restricted',
  uplinkDevice: 'uplink',
  lanDevice: 'lan',
  outsideAddress: '198.18.1.2',
  hairpin: false,
  mappingSeconds: 30,
  shieldsIpv6: true,
};

const rulesOf = (change: Partial<NatPlan>, zone = 1): string =>
  renderNatRules({ ...plan, ...change }, zone);

const admissions: [NatPlan['kind'], string][] = [
  ['full-cone', 'udp dport'],
  ['address-restricted', 'udp dport . ip saddr'],
  ['port-restricted', 'udp dport . ip saddr . udp sport'],
  ['symmetric', 'udp dport . ip saddr . udp sport'],
];

for (const [kind, key] of admissions) {
  test(`a NAT that is ${kind} looks at ${key} of what arrives`, () => {
    const rules = rulesOf({ kind });
    assert.ok(rules.includes(`iifname "uplink" ${key} != @admitted drop\n`), rules);
  });
}

test('only a symmetric NAT looks for no mapping that a host already has', () => {
  for (const [kind] of admissions) {
    const rules = rulesOf({ kind });
    assert.equal(rules.includes('map @outside_port'), kind !== 'symmetric', kind);
    assert.equal(rules.includes('fully-random'), kind === 'symmetric', kind);
  }
});

test('everything that a NAT remembers of UDP lives equally long', () => {
  assert.equal(rulesOf({}).match(/timeout 30s;/g)?.length, 3);
});

test('other zones are all that differs in the rules of a NAT that forgets', () => {
  assert.equal(rulesOf({}, 2).replaceAll('zone set 2', 'zone set 1'), rulesOf({}, 1));
  assert.notEqual(rulesOf({}, 2), rulesOf({}, 1));
});

test('a NAT that is not to shield IPv6 lets it pass', () => {
  assert.match(rulesOf({ shieldsIpv6: false }), /iifname "uplink" meta nfproto ipv4 drop/);
  assert.match(rulesOf({ shieldsIpv6: true }), /iifname "uplink" drop/);
});
