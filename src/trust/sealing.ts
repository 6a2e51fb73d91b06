import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { InvalidInputError } from '../model/error.ts';
import { malformed, TrustError } from './trust-error.ts';

/*
 * Secrets at rest: AES-256-GCM (NIST SP 800-38D) by OpenSSL, with a random 96-bit nonce, as
 *
 *   hanse-sealed.1.KEY-ID.base64url(nonce ‖ ciphertext ‖ 16-byte tag)
 *
 * Authenticated with it: everything before the last dot, and the context. This is not a JWE,
 * because a key rotation is planned as one synchronous decision, and JOSE is asynchronous.
 */

/** What all masters of a VPN hold and nobody else: opens what is sealed in the store. */
export interface SealingKey {
  /** Tells keys apart when they are rotated; says nothing about the key. */
  readonly id: string;
  /** Secret; a handle that does not print itself. */
  readonly secret: KeyObject;
}

const cipher = 'aes-256-gcm';
const keyLength = 32;
/** Random nonces are good for 2^32 seals with one key (SP 800-38D §8.3); a VPN makes thousands. */
const nonceLength = 12;
const tagLength = 16;
const prefix = 'hanse-sealed.1';
const form = /^hanse-sealed\.1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+)$/;
const anyVersion = /^hanse-sealed\.[0-9]+\./;
const what = 'the sealed value';

/** A new sealing key as text, to be kept in a file that only the master can read. Secret. */
export function createSealingKey(): string {
  return randomBytes(keyLength).toString('base64url');
}

/** @throws InvalidInputError when the text is not a sealing key; the message does not repeat it */
export function parseSealingKey(text: string): SealingKey {
  const bytes = Buffer.from(text.trim(), 'base64url');
  if (bytes.length !== keyLength || bytes.toString('base64url') !== text.trim()) {
    throw new InvalidInputError('expected a sealing key: 32 bytes in base64url (43 characters)');
  }
  const id = createHash('sha256').update('hanse sealing key id').update(bytes).digest('hex');
  return { id: id.slice(0, 16), secret: createSecretKey(bytes) };
}

/**
 * Seals a secret for one place.
 * @param context the store key where the value will live: it opens there and nowhere else
 */
export function seal(key: SealingKey, plaintext: string, context: string): string {
  const nonce = randomBytes(nonceLength);
  const header = `${prefix}.${key.id}`;
  const encryption = createCipheriv(cipher, key.secret, nonce, { authTagLength: tagLength });
  encryption.setAAD(additionalData(header, context));
  const ciphertext = Buffer.concat([encryption.update(plaintext, 'utf8'), encryption.final()]);
  const body = Buffer.concat([nonce, ciphertext, encryption.getAuthTag()]);
  return `${header}.${body.toString('base64url')}`;
}

/**
 * Opens what `seal` made with the same key for the same place.
 * @throws TrustError `malformed`, `wrong-sealing-key`, `tampered`
 */
export function openSealed(key: SealingKey, sealed: string, context: string): string {
  const { keyId, body } = parseSealed(sealed);
  if (keyId !== key.id) {
    throw new TrustError(
      `the value at ${context} is sealed with the key ${keyId}, this master holds ${key.id}: give it the sealing key of its VPN`,
      { code: 'wrong-sealing-key', fields: { expected: keyId, actual: key.id } },
    );
  }
  const nonce = body.subarray(0, nonceLength);
  const decryption = createDecipheriv(cipher, key.secret, nonce, { authTagLength: tagLength });
  decryption.setAAD(additionalData(`${prefix}.${keyId}`, context));
  decryption.setAuthTag(body.subarray(-tagLength));
  try {
    const ciphertext = body.subarray(nonceLength, -tagLength);
    return Buffer.concat([decryption.update(ciphertext), decryption.final()]).toString('utf8');
  } catch (cause) {
    throw new TrustError(
      `the sealed value at ${context} was changed, or was sealed for another place`,
      { code: 'tampered', fields: { context }, cause },
    );
  }
}

function parseSealed(sealed: string): { keyId: string; body: Buffer } {
  const [, keyId, text] = form.exec(sealed) ?? [];
  if (keyId === undefined || text === undefined) {
    const isLater = anyVersion.test(sealed) && !sealed.startsWith(`${prefix}.`);
    throw malformed(what, isLater ? 'it has a form that this version does not know' : 'not a seal');
  }
  const body = Buffer.from(text, 'base64url');
  // One spelling per value: base64url ignores spare bits.
  if (body.length < nonceLength + tagLength || body.toString('base64url') !== text) {
    throw malformed(what, 'it is cut off or misspelt');
  }
  return { keyId, body };
}

/** No header contains a zero byte, so that no two pairs give the same bytes. */
function additionalData(header: string, context: string): Buffer {
  return Buffer.from(`${header}\0${context}`, 'utf8');
}
