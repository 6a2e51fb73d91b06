import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonPrefix, KeySpace } from './key-space.ts';

const keys = new KeySpace('vpn/');
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
/** Some with the same first bytes, though they are different characters. */
const unit = fc.constantFrom('a', '/', 'é', 'è', '\u{1f600}', '\u{1f601}', '\u{10ffff}');
const prefix = fc.string({ unit, maxLength: 5 });

test('a key comes back as it was, whatever characters it has', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (key) => {
      assert.equal(keys.toKey(keys.toBytes(key)), key);
    }),
  );
});

test('all keys are those with the prefix of the store, and no others', () => {
  const { key, rangeEnd } = keys.rangeOf('');
  assert.deepEqual([text(key), text(rangeEnd)], ['vpn/', 'vpn0']);
  const last = keys.rangeOf('\u{10ffff}');
  assert.equal(text(last.rangeEnd), 'vpn0');
});

test('a page begins after the last key of the one before, and never outside of the prefix', () => {
  const range = (after: string, reverse = false) => {
    const { key, rangeEnd } = keys.rangeAfter('b/', { after, reverse });
    return [text(key), text(rangeEnd)];
  };
  assert.deepEqual(range('b/x'), ['vpn/b/x\u0001', 'vpn/b0']);
  assert.deepEqual(range('a'), ['vpn/b/', 'vpn/b0']);
  assert.deepEqual(range('b/x', true), ['vpn/b/', 'vpn/b/x']);
  assert.deepEqual(range('c', true), ['vpn/b/', 'vpn/b0']);
});

test('the common prefix is one of all, and the longest', () => {
  fc.assert(
    fc.property(fc.array(prefix, { minLength: 1, maxLength: 4 }), (prefixes) => {
      const common = commonPrefix(prefixes);
      assert.ok(prefixes.every((each) => each.startsWith(common)));
      assert.ok(common.isWellFormed());
      const longer = prefixes.map((each) => [...each][[...common].length]);
      assert.ok(longer.includes(undefined) || new Set(longer).size > 1);
    }),
  );
});
