import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from './error.ts';
import {
  dnsNameOf,
  type Identity,
  parseDnsName,
  parseMasterName,
  parseMemberName,
  parseOperatorName,
  parseSubsetName,
  parseVpnName,
  subsetDnsSuffix,
} from './names.ts';

const parsers = [
  parseVpnName,
  parseMasterName,
  parseOperatorName,
  parseMemberName,
  parseSubsetName,
];
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/);
const subsetLabel = label.filter((text) => text !== 'masters' && text !== 'operators');

const identity: fc.Arbitrary<Identity> = fc.oneof(
  fc.record({ vpn: label, subset: subsetLabel, name: label }).map(
    ({ vpn, subset, name }): Identity => ({
      kind: 'member',
      vpn: parseVpnName(vpn),
      subset: parseSubsetName(subset),
      name: parseMemberName(name),
    }),
  ),
  fc.record({ vpn: label, name: label }).map(
    ({ vpn, name }): Identity => ({
      kind: 'master',
      vpn: parseVpnName(vpn),
      name: parseMasterName(name),
    }),
  ),
  fc.record({ vpn: label, name: label }).map(
    ({ vpn, name }): Identity => ({
      kind: 'operator',
      vpn: parseVpnName(vpn),
      name: parseOperatorName(name),
    }),
  ),
);

test('a name is taken as it stands, or refused as invalid input', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), label, fc.string({ unit: 'binary' })), (text) => {
      for (const parse of parsers) {
        try {
          assert.equal(parse(text), text);
          assert.match(text, /^[a-z0-9-]{1,32}$/);
        } catch (error) {
          assert.ok(error instanceof InvalidInputError, String(error));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('names that are no DNS labels are refused, with the rule', () => {
  for (const text of ['', '-a', 'a-', 'A', 'a.b', 'a_b', 'ä', 'a'.repeat(33), 'a\n', '*'])
    for (const parse of parsers)
      assert.throws(() => parse(text), { code: 'invalid', message: /1 to 32 lower-case letters/ });
});

test('no subset has the name of what is no subset', () => {
  for (const text of ['masters', 'operators'])
    assert.throws(() => parseSubsetName(text), { message: /masters and operators are reserved/ });
});

test('a DNS name says exactly whose it is', () => {
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      assert.deepEqual(parseDnsName(dnsNameOf(one)), one);
      if (dnsNameOf(one) === dnsNameOf(other)) assert.deepEqual(one, other);
    }),
  );
});

test('a member’s name is in its subset’s subtree, and nobody else’s is', () => {
  fc.assert(
    fc.property(identity, subsetLabel, label, (one, subsetText, vpnText) => {
      const subset = parseSubsetName(subsetText);
      const suffix = `.${subsetDnsSuffix(parseVpnName(vpnText), subset)}`;
      const isIn = one.kind === 'member' && one.subset === subset && one.vpn === vpnText;
      assert.equal(dnsNameOf(one).endsWith(suffix), isIn);
    }),
  );
});

test('whatever is no name of this scheme is nobody’s', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.domain(),
        fc.array(label).map((all) => all.join('.')),
      ),
      (text) => {
        const parsed = parseDnsName(text);
        if (parsed) assert.equal(dnsNameOf(parsed), text);
      },
    ),
    { numRuns: 500 },
  );
  for (const text of [
    'corp.hanse.internal',
    'hamburg.corp.hanse.internal',
    'a.b.hamburg.corp.hanse.internal',
    '*.hamburg.corp.hanse.internal',
    'anna.hamburg.corp.hanse.internal.',
    'anna.hamburg.corp.hanse.internal.example.com',
    'Anna.hamburg.corp.hanse.internal',
  ])
    assert.equal(parseDnsName(text), undefined, text);
});
