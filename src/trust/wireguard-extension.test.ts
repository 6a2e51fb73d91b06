import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../model/error.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { TrustError } from './trust-error.ts';
import { decodeWireguardKeys, encodeWireguardKeys } from './wireguard-extension.ts';

const key = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('base64') as WireguardPublicKey);
const keys = fc.dictionary(fc.stringMatching(/^[a-z]{1,16}$/), key, {
  minKeys: 1,
  maxKeys: 8,
  noNullPrototype: true,
});

test('any keys come back as they went in, whatever their order', () => {
  fc.assert(
    fc.property(keys, (entries) => {
      const der = encodeWireguardKeys(entries);
      assert.deepEqual(decodeWireguardKeys(der), entries);
      const reversed = Object.fromEntries(Object.entries(entries).reverse());
      assert.deepEqual(encodeWireguardKeys(reversed), der);
    }),
  );
});

test('what is decoded encodes to the same bytes: nothing has two forms', () => {
  const edit = fc.tuple(fc.nat(400), fc.nat(255));
  fc.assert(
    fc.property(keys, fc.array(edit, { maxLength: 3 }), (entries, edits) => {
      const der = Uint8Array.from(encodeWireguardKeys(entries));
      for (const [offset, value] of edits) der[offset % der.length] = value;
      let decoded: ReturnType<typeof decodeWireguardKeys>;
      try {
        decoded = decodeWireguardKeys(der);
      } catch (error) {
        assert.ok(error instanceof TrustError);
        return;
      }
      assert.deepEqual(Uint8Array.from(encodeWireguardKeys(decoded)), der);
    }),
    { numRuns: 1_000 },
  );
});

test('no keys, too many, and what is no class or no key are refused', () => {
  const valid = Buffer.alloc(32).toString('base64') as WireguardPublicKey;
  const nine = Object.fromEntries([...'abcdefghi'].map((name) => [name, valid]));
  for (const wrong of [
    {},
    nine,
    { Acting: valid },
    { __proto__x: valid },
    { acting: 'short' as WireguardPublicKey },
  ]) {
    assert.throws(() => encodeWireguardKeys(wrong), InvalidInputError);
  }
});
