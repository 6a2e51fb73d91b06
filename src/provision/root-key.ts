import type { VpnRecord } from '../model/records/directory.ts';
import { readIfPresent } from '../runtime/durable-file.ts';
import { createIssuer, type Issuer } from '../trust/certificate-authority.ts';
import { TrustError } from '../trust/trust-error.ts';
import { ProvisionError } from './provision-error.ts';

/**
 * The VPN's root, ready to sign.
 * @throws ProvisionError `no-root-key`, `wrong-root-key`
 */
export async function openRoot(vpn: VpnRecord, keyPath: string): Promise<Issuer> {
  const privateKeyPem = await readIfPresent(keyPath);
  if (privateKeyPem === undefined) {
    throw new ProvisionError(
      `this needs the root key of ${vpn.name}, and ${keyPath} is not there: bring it back for the moment, or say where it is with --root-key`,
      { code: 'no-root-key', fields: { path: keyPath } },
    );
  }
  try {
    return createIssuer({ certificatePem: vpn.rootCertificate, privateKeyPem });
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause;
    throw new ProvisionError(
      `${keyPath} is not the key of the root certificate of ${vpn.name}: say where the right one is with --root-key`,
      { code: 'wrong-root-key', fields: { path: keyPath }, cause },
    );
  }
}
