import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describeError, InvalidInputError } from '../model/error.ts';
import {
  type WireguardPrivateKey,
  type WireguardPublicKey,
  wireguardPrivateKeySchema,
} from '../model/wireguard-key.ts';
import type { MasterFiles } from '../provision/data-directory.ts';
import { publicKeyOf } from '../trust/wireguard-keys.ts';

export interface WireguardIdentity {
  readonly publicKey: WireguardPublicKey;
  /** Secret. */
  readonly privateKey: WireguardPrivateKey;
}

/** What a master is, as `hanse master create` wrote it. */
export interface MasterIdentity {
  /** PEM. */
  readonly certificate: string;
  /** Secret. PEM, PKCS#8. */
  readonly privateKey: string;
  readonly wireguard: { readonly members: WireguardIdentity; readonly backbone: WireguardIdentity };
}

/** @throws InvalidInputError naming the file that is missing or not what it should be */
export async function readMasterIdentity(files: MasterFiles): Promise<MasterIdentity> {
  const [certificate, privateKey, membersKey, backboneKey] = await Promise.all(
    [files.certificate, files.key, files.membersKey, files.backboneKey].map(readPart),
  );
  requireCertificate(files.certificate, certificate ?? '');
  return {
    certificate: certificate ?? '',
    privateKey: privateKey ?? '',
    wireguard: {
      members: wireguardIdentity(files.membersKey, membersKey ?? ''),
      backbone: wireguardIdentity(files.backboneKey, backboneKey ?? ''),
    },
  };
}

async function readPart(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = describeError(cause);
    throw new InvalidInputError(
      `cannot read ${path}, which "hanse master create" makes: ${why}`,
      { path },
      cause,
    );
  }
}

function requireCertificate(path: string, pem: string): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new InvalidInputError(`${path} is not a certificate in PEM`, { path }, cause);
  }
}

function wireguardIdentity(path: string, text: string): WireguardIdentity {
  const privateKey = wireguardPrivateKeySchema.safeParse(text.trim());
  if (privateKey.success)
    return { privateKey: privateKey.data, publicKey: publicKeyOf(privateKey.data) };
  throw new InvalidInputError(`${path} is not a WireGuard key in base64`, { path });
}
