import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyAfter, prefixEnd } from './key-range.ts';

const character = fc.oneof(
  fc.constantFrom('\u0001', '/', 'a', '\u007f', '\ud7ff', '\ue000', '\uffff', '\u{10ffff}'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((unit) => unit !== '\0'),
);
const text = fc.string({ unit: character, maxLength: 4 });

function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

test('a key is before the end of a prefix, and not before the prefix, exactly when it starts with it', () => {
  fc.assert(
    fc.property(text, text, fc.boolean(), (prefix, rest, isUnder) => {
      const key = isUnder ? prefix + rest : rest;
      const end = prefixEnd(prefix);
      const isBetween = compare(key, prefix) >= 0 && (end === undefined || compare(key, end) < 0);
      assert.equal(isBetween, key.startsWith(prefix));
    }),
    { numRuns: 2_000 },
  );
});

test('the last keys of all have no end', () => {
  assert.equal(prefixEnd(''), undefined);
  assert.equal(prefixEnd('\u{10ffff}\u{10ffff}'), undefined);
  assert.equal(prefixEnd('a\u{10ffff}'), 'b');
});

test('no key is between a key and the one after it', () => {
  fc.assert(
    fc.property(text, text, (key, rest) => {
      assert.ok(compare(keyAfter(key), key) > 0);
      if (rest !== '') assert.ok(compare(keyAfter(key), key + rest) <= 0);
    }),
  );
});
