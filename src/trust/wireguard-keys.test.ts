import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../model/error.ts';
import {
  type GroupKey,
  groupKeySchema,
  presharedKeySchema,
  type WireguardPrivateKey,
  type WireguardPublicKey,
  wireguardPrivateKeySchema,
  wireguardPublicKeySchema,
} from '../model/wireguard-key.ts';
import {
  createGroupKey,
  createWireguardKeyPair,
  derivePresharedKey,
  publicKeyOf,
} from './wireguard-keys.ts';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const publicKey = keyBytes.map((bytes) => base64(bytes) as WireguardPublicKey);
const groupKey = keyBytes.map((bytes) => base64(bytes) as GroupKey);
const epoch = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

test('a public key is that of RFC 7748 §6.1', () => {
  const bob = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';
  const expected = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
  const privateKey = base64(Buffer.from(bob, 'hex')) as WireguardPrivateKey;
  assert.equal(publicKeyOf(privateKey), base64(Buffer.from(expected, 'hex')));
});

test('a new key pair belongs together and has the form that WireGuard uses', () => {
  const pair = createWireguardKeyPair();
  wireguardPrivateKeySchema.parse(pair.privateKey);
  wireguardPublicKeySchema.parse(pair.publicKey);
  assert.equal(publicKeyOf(pair.privateKey), pair.publicKey);
  assert.notEqual(createWireguardKeyPair().privateKey, pair.privateKey);
});

const hasWg = spawnSync('wg', ['--version']).status === 0;

test('wg derives the same public keys', { skip: !hasWg && 'wg is not installed' }, () => {
  for (let round = 0; round < 10; round++) {
    const pair = createWireguardKeyPair();
    const { stdout } = spawnSync('wg', ['pubkey'], { input: pair.privateKey, encoding: 'utf8' });
    assert.equal(stdout.trim(), pair.publicKey);
  }
});

test('what is no private key is refused without being repeated', () => {
  for (const text of ['', 'secret', `${createWireguardKeyPair().privateKey}x`]) {
    assert.throws(
      () => publicKeyOf(text as WireguardPrivateKey),
      (error) =>
        error instanceof InvalidInputError && (text === '' || !error.message.includes(text)),
    );
  }
});

test('group keys are random', () => {
  const keys = Array.from({ length: 20 }, () => groupKeySchema.parse(createGroupKey()));
  assert.equal(new Set(keys).size, keys.length);
});

test('a preshared key is HKDF-SHA256 over the label, both keys in order, and the epoch', () => {
  // By another implementation of RFC 5869 (Python's hmac), so that two masters of different
  // versions of Hanse never disagree.
  const derived = derivePresharedKey({
    groupKey: base64(Uint8Array.from({ length: 32 }, (_, index) => index)) as GroupKey,
    epoch: 7,
    publicKeys: [
      base64(new Uint8Array(32).fill(2)) as WireguardPublicKey,
      base64(new Uint8Array(32).fill(1)) as WireguardPublicKey,
    ],
  });
  assert.equal(derived, '/Zx1Dr+vApLKCVf+SZh4KI4c8K72NgW95UNerIsXMUc=');
});

test('both ends derive the same preshared key, and anything else gives another one', () => {
  fc.assert(
    fc.property(
      groupKey,
      epoch,
      fc.uniqueArray(publicKey, { minLength: 3, maxLength: 3 }),
      (group, version, [a, b, c]) => {
        assert.ok(a && b && c);
        const derived = derivePresharedKey({ groupKey: group, epoch: version, publicKeys: [a, b] });
        presharedKeySchema.parse(derived);
        assert.equal(
          derivePresharedKey({ groupKey: group, epoch: version, publicKeys: [b, a] }),
          derived,
        );
        const others = [
          derivePresharedKey({ groupKey: group, epoch: version, publicKeys: [a, c] }),
          derivePresharedKey({ groupKey: group, epoch: version - 1, publicKeys: [a, b] }),
          derivePresharedKey({ groupKey: createGroupKey(), epoch: version, publicKeys: [a, b] }),
        ];
        assert.ok(!others.includes(derived));
      },
    ),
  );
});
