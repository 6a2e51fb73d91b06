import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CertificateBed, spkiOf } from '../../test/support/certificate-bed.ts';
import { readDerElements } from './der.ts';
import { identityKeyOf, identityOfLeaf } from './leaf-certificate.ts';
import { createIdentityKeyPair } from './self-signed-certificate.ts';
import { TrustError } from './trust-error.ts';

const bed = await CertificateBed.create();
const alice = bed.member('fra', 'alice');
const pem = (await bed.issue(alice)).chain[0] ?? '';
const der = new X509Certificate(pem).raw;

test('a leaf reads the same from PEM, from DER and from TLS', () => {
  const read = identityOfLeaf(pem);
  assert.deepEqual(read.identity, alice);
  assert.deepEqual(identityOfLeaf(der), read);
  assert.deepEqual(identityOfLeaf(new X509Certificate(pem)), read);
});

test('bytes after the certificate are not ignored', () => {
  assert.throws(() => identityOfLeaf(Buffer.concat([der, Buffer.of(0)])), { code: 'malformed' });
});

test('a leaf cut off anywhere is malformed', () => {
  for (let length = 0; length < der.length; length++) {
    assert.throws(() => identityOfLeaf(der.subarray(0, length)), { code: 'malformed' });
  }
});

test('whatever the bytes, reading gives a leaf or says what is wrong', () => {
  const edit = fc.record({
    offset: fc.nat(der.length - 1),
    remove: fc.nat(8),
    insert: fc.uint8Array({ maxLength: 8 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const edited = edits.reduce<Uint8Array>(
        (bytes, { offset, remove, insert }) =>
          Buffer.concat([bytes.subarray(0, offset), insert, bytes.subarray(offset + remove)]),
        der,
      );
      throwsOnlyTrustErrors(() => identityOfLeaf(edited));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => throwsOnlyTrustErrors(() => identityOfLeaf(bytes))),
  );
  fc.assert(fc.property(fc.string(), (text) => throwsOnlyTrustErrors(() => identityOfLeaf(text))));
});

test('DER elements are read whole, back to back, or not at all', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      throwsOnlyTrustErrors(() => {
        const elements = readDerElements(bytes, 'test');
        assert.deepEqual(Buffer.concat(elements.map(({ encoded }) => encoded)), Buffer.from(bytes));
      });
    }),
  );
});

test('lengths that DER forbids are refused', () => {
  for (const hex of [
    '0480',
    '048100',
    '04817f',
    '048200ff',
    '0483010000',
    '1f0100',
    '04',
    '0401',
  ]) {
    const bytes = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(hex.length > 4 ? 255 : 0)]);
    assert.throws(() => readDerElements(bytes, 'test'), { code: 'malformed' }, hex);
  }
});

test('one key has one identity: other encodings of it are refused', () => {
  const { publicKey } = createIdentityKeyPair();
  const spki = spkiOf(publicKey);
  assert.match(identityKeyOf(spki), /^[A-Za-z0-9_-]{43}$/);
  const compressed = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
    Buffer.of(2 + ((spki.at(-1) ?? 0) & 1)),
    spki.subarray(27, 59),
  ]);
  assert.throws(() => identityKeyOf(compressed), { code: 'malformed' });
});

function throwsOnlyTrustErrors(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
  }
}
