import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { InvalidInputError } from '../model/error.ts';
import { createSealingKey, openSealed, parseSealingKey, seal } from './sealing.ts';
import { TrustError } from './trust-error.ts';

const key = parseSealingKey(createSealingKey());
const place = 'roll/fra/key/000000000001';

test('any text comes back with the same key at the same place', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
      assert.equal(openSealed(key, seal(key, text, context), context), text);
    }),
  );
});

test('the same text is never sealed the same way twice', () => {
  assert.notEqual(seal(key, 'secret', place), seal(key, 'secret', place));
});

test('a value that was moved to another place does not open there', () => {
  const sealed = seal(key, 'secret', place);
  assert.throws(() => openSealed(key, sealed, 'roll/lhr/key/000000000001'), {
    name: 'TrustError',
    code: 'tampered',
  });
});

test('a value under another key says so, naming both keys', () => {
  const other = parseSealingKey(createSealingKey());
  assert.throws(() => openSealed(other, seal(key, 'secret', place), place), {
    code: 'wrong-sealing-key',
    fields: { expected: key.id, actual: other.id },
  });
});

test('a value that claims the wrong key’s name is tampered with', () => {
  const other = parseSealingKey(createSealingKey());
  const renamed = seal(other, 'secret', place).replace(other.id, key.id);
  assert.throws(() => openSealed(key, renamed, place), { code: 'tampered' });
});

test('no changed character and no cut goes unnoticed', () => {
  const sealed = seal(key, 'a WireGuard key or the key of an authority', place);
  for (let index = 0; index < sealed.length; index++) {
    const cut = sealed.slice(0, index);
    const changed = `${cut}${sealed[index] === 'A' ? 'B' : 'A'}${sealed.slice(index + 1)}`;
    for (const text of [cut, changed]) {
      assert.throws(() => openSealed(key, text, place), TrustError);
    }
  }
});

test('whatever is given for a sealed value, opening says what is wrong', () => {
  const text = fc.oneof(
    fc.string(),
    fc.base64String().map((body) => `hanse-sealed.1.${key.id}.${body.replace(/[+/=]/g, '')}`),
  );
  fc.assert(
    fc.property(text, (sealed) => {
      assert.throws(() => openSealed(key, sealed, place), TrustError);
    }),
  );
  assert.throws(() => openSealed(key, `hanse-sealed.2.${key.id}.AAAA`, place), /does not know/);
});

test('a sealing key survives its file, a trailing newline included', () => {
  const text = createSealingKey();
  const sealed = seal(parseSealingKey(text), 'secret', place);
  assert.equal(openSealed(parseSealingKey(`${text}\n`), sealed, place), 'secret');
});

test('a sealing key prints neither itself nor, when malformed, its text', () => {
  const text = createSealingKey();
  assert.ok(!inspect(parseSealingKey(text), { depth: 9 }).includes(text));
  for (const wrong of ['', 'short', `${text}A`, `${text.slice(1)}=`]) {
    assert.throws(
      () => parseSealingKey(wrong),
      (error) =>
        error instanceof InvalidInputError && (wrong === '' || !error.message.includes(wrong)),
    );
  }
});
