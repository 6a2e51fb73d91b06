import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memberNameSchema } from '../model/names.ts';
import { defaultMemberName } from './default-member-name.ts';

test('a member is called what its machine is called', () => {
  assert.equal(defaultMemberName('Web_1.example.net'), 'web-1');
  assert.equal(defaultMemberName('---'), 'member');
});

test('every machine name gives a member name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (machineName) => {
      assert.ok(memberNameSchema.safeParse(defaultMemberName(machineName)).success);
    }),
  );
});
