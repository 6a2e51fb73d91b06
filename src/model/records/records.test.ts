import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { InvalidInputError } from '../error.ts';
import * as keys from '../wireguard-key.ts';
import * as audit from './audit.ts';
import * as codec from './codec.ts';
import * as directory from './directory.ts';
import * as parts from './parts.ts';
import * as roll from './roll.ts';

const records = { ...parts, ...directory, ...roll, ...audit, ...codec };
const schemas = Object.entries(records).flatMap(([name, value]) =>
  value instanceof z.ZodType ? [[name, value as z.ZodType] as const] : [],
);

const member = {
  version: 1,
  name: 'anna',
  subset: 'hamburg',
  state: 'active',
  identityKey: 'a'.repeat(43),
  keys: { acting: Buffer.alloc(32).toString('base64') },
  addressIndex: 2,
  ipv4: '100.64.0.2',
  ipv6: 'fd00::2',
  inviteId: '00000000-0000-4000-8000-000000000000',
  joinedAtMs: 0,
  certificateEndsAtMs: 1,
  alsoIn: ['berlin'],
};

test('whatever bytes a store gives: a record, or invalid input that names the key', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .object({ key: fc.constantFrom(...Object.keys(member)) })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(bytes, fc.constantFrom(...schemas), (value, [name, schema]) => {
      try {
        records.decodeRecord(schema, `roll/${name}`, value);
      } catch (error) {
        assert.ok(error instanceof InvalidInputError, String(error));
        assert.equal(error.fields['key'], `roll/${name}`);
      }
    }),
    { numRuns: 500 },
  );
});

test('a record comes back as it was written', () => {
  const record = records.memberRecordSchema.parse(member);
  const decoded = records.decodeRecord(
    records.memberRecordSchema,
    'roll/hamburg/member/anna',
    records.encodeRecord(record),
  );
  assert.deepEqual(decoded, member);
});

test('a record with one field spoilt is refused, and the field is named', () => {
  for (const field of Object.keys(member)) {
    const spoilt = Buffer.from(JSON.stringify({ ...member, [field]: null }));
    assert.throws(
      () => records.decodeRecord(records.memberRecordSchema, 'roll/hamburg/member/anna', spoilt),
      (error) => error instanceof InvalidInputError && error.message.includes(field),
      field,
    );
  }
});

test('a record of a later version is not half understood', () => {
  const later = Buffer.from(JSON.stringify({ ...member, version: 2 }));
  assert.throws(() => records.decodeRecord(records.memberRecordSchema, 'k', later), {
    code: 'invalid',
    message: /version/,
  });
});

test('a field that a later version has added to a record is passed over', () => {
  const later = Buffer.from(JSON.stringify({ ...member, addedLater: { since: 2 } }));
  assert.deepEqual(records.decodeRecord(records.memberRecordSchema, 'k', later), member);
  const objects = schemas.flatMap(([name, schema]) =>
    schema instanceof z.ZodObject && name.endsWith('RecordSchema') ? [[name, schema] as const] : [],
  );
  assert.ok(objects.length > 10);
  for (const [name, { def }] of objects) {
    assert.equal(def.catchall, undefined, `${name} is as lenient`);
  }
});

test('a WireGuard key is 32 bytes in the one base64 that stands for them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      assert.equal(keys.wireguardPublicKeySchema.safeParse(text).success, bytes.length === 32);
    }),
  );
  const other = `${'A'.repeat(42)}B=`;
  assert.equal(Buffer.from(other, 'base64').length, 32);
  assert.equal(keys.wireguardPublicKeySchema.safeParse(other).success, false);
});

test('an action of an audit log that is not known is taken, if it is a short word', () => {
  const { action } = audit.vpnAuditRecordSchema.shape;
  assert.equal(action.parse('flag-hoisted'), 'flag-hoisted');
  for (const bad of ['', 'a'.repeat(65), '\u001b[31mred', 'Two Words', 7]) {
    assert.equal(action.safeParse(bad).success, false, String(bad));
  }
});
