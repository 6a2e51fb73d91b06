import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { InvalidInputError } from '../model/error.ts';
import { readIfPresent } from '../runtime/durable-file.ts';
import { keepOrCreate } from './kept-file.ts';

/** A P-256 key that is on the disk. */
export interface TlsKey {
  /** Secret. PKCS #8. */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
}

/** The key in the file; made when there is none. @throws InvalidInputError when the file holds no key */
export async function keepOrCreateTlsKey(path: string): Promise<TlsKey> {
  return parseTlsKey(path, await keepOrCreate(path, createTlsKeyPem));
}

/** @throws InvalidInputError when there is no such file, or it holds no key */
export async function readTlsKey(path: string): Promise<TlsKey> {
  const privateKeyPem = await readIfPresent(path);
  if (privateKeyPem !== undefined) return parseTlsKey(path, privateKeyPem);
  throw new InvalidInputError(`${path} is missing: run this where the private key is`, { path });
}

/** @param path for the message only */
export function parseTlsKey(path: string, privateKeyPem: string): TlsKey {
  try {
    return { privateKeyPem, spki: spkiOf(privateKeyPem) };
  } catch (cause) {
    throw new InvalidInputError(
      `${path} is not a private key: remove it and try again`,
      { path },
      cause,
    );
  }
}

/** A new key that is nowhere yet. */
export function createTlsKey(): TlsKey {
  const privateKeyPem = createTlsKeyPem();
  return { privateKeyPem, spki: spkiOf(privateKeyPem) };
}

function createTlsKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function spkiOf(privateKeyPem: string): Uint8Array {
  return createPublicKey(createPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'der' });
}
