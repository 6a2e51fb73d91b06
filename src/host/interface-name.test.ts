import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { interfaceName, ownerMark } from './interface-name.ts';

const identity = { vpnId: '0badcafe', node: 'anna.fra.acme.hanse.internal', pathClass: 'acting' };

it('interface names are 15 characters of those that every tool takes', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (node, pathClass) => {
      assert.match(interfaceName({ vpnId: '0badcafe', node, pathClass }), /^hns[0-9a-v]{12}$/);
    }),
  );
});

it('an identity always has the same interface name, so that a restarted daemon finds its own', () => {
  assert.equal(interfaceName(identity), 'hns6jvt9npvusu2');
});

it('every part of an identity makes another interface name, however the parts are cut', () => {
  const names = [
    identity,
    { ...identity, vpnId: '0badcaff' },
    { ...identity, node: 'anna.ham.acme.hanse.internal' },
    { ...identity, pathClass: 'backup' },
    { ...identity, node: `${identity.node}a`, pathClass: 'cting' },
  ].map(interfaceName);
  assert.equal(new Set(names).size, names.length);
});

it("an owner's mark can be read by people and taken by nft", () => {
  const { alias, tableName } = ownerMark('0badcafe/lubeck-1');
  assert.equal(alias, 'hanse:0badcafe/lubeck-1');
  assert.match(tableName, /^hanse_[0-9a-v]{12}$/);
  assert.notEqual(tableName, ownerMark('0badcafe/lubeck-2').tableName);
  assert.throws(() => ownerMark('two words'), RangeError);
});
