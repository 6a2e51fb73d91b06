import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { InvalidInputError } from '../model/error.ts';
import {
  type Epoch,
  type GroupKey,
  type PresharedKey,
  type WireguardPrivateKey,
  type WireguardPublicKey,
  wireguardPrivateKeySchema,
} from '../model/wireguard-key.ts';

export interface WireguardKeyPair {
  readonly publicKey: WireguardPublicKey;
  /** Secret. */
  readonly privateKey: WireguardPrivateKey;
}

/** PKCS#8 of an X25519 key up to the 32 bytes of the key (RFC 8410 §7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const keyLength = 32;

/** A new key pair (Curve25519), in the form that `wg` uses. */
export function createWireguardKeyPair(): WireguardKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  return {
    privateKey: pkcs8.subarray(-keyLength).toString('base64') as WireguardPrivateKey,
    publicKey: rawPublicKey(publicKey),
  };
}

/** As `wg pubkey`. @throws InvalidInputError when the text is not a key */
export function publicKeyOf(privateKey: WireguardPrivateKey): WireguardPublicKey {
  if (!wireguardPrivateKeySchema.safeParse(privateKey).success) {
    throw new InvalidInputError('expected a WireGuard private key: 32 bytes in base64');
  }
  const pkcs8 = Buffer.concat([pkcs8Prefix, Buffer.from(privateKey, 'base64')]);
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return rawPublicKey(createPublicKey(key));
}

/** A new key for one epoch of a subset, or of the masters' backbone. */
export function createGroupKey(): GroupKey {
  return randomBytes(keyLength).toString('base64') as GroupKey;
}

/**
 * The preshared key of two nodes in one epoch: HKDF with SHA-256 (RFC 5869) of the group key, over
 * both public keys and the epoch. The order of the two does not matter; nobody without the epoch's
 * group key can compute it.
 */
export function derivePresharedKey(options: {
  readonly groupKey: GroupKey;
  readonly epoch: Epoch;
  readonly publicKeys: readonly [WireguardPublicKey, WireguardPublicKey];
}): PresharedKey {
  const [a, b] = options.publicKeys.map((key) => Buffer.from(key, 'base64')) as [Buffer, Buffer];
  const [low, high] = Buffer.compare(a, b) <= 0 ? [a, b] : [b, a];
  const epoch = Buffer.alloc(8);
  epoch.writeBigUInt64BE(BigInt(options.epoch));
  // Fixed lengths follow the label, so that no two inputs give the same info.
  const info = Buffer.concat([presharedKeyLabel, low, high, epoch]);
  const groupKey = Buffer.from(options.groupKey, 'base64');
  const key = hkdfSync('sha256', groupKey, noSalt, info, keyLength);
  return Buffer.from(key).toString('base64') as PresharedKey;
}

/** Keeps these keys apart from whatever else may ever be derived from a group key. */
const presharedKeyLabel = Buffer.from('hanse preshared key v1');
/** Group keys are uniformly random, so extraction needs no salt (RFC 5869 §3.1). */
const noSalt = Buffer.alloc(0);

function rawPublicKey(key: KeyObject): WireguardPublicKey {
  const spki = key.export({ type: 'spki', format: 'der' });
  return spki.subarray(-keyLength).toString('base64') as WireguardPublicKey;
}
