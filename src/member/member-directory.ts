import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SubsetName, VpnName } from '../model/names.ts';
import type { IdentityKey } from '../model/records.ts';
import { readIfPresent, writeDurably } from '../runtime/durable-file.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import { createIdentityKeyPair, type IdentityKeyPair } from '../trust/self-signed-certificate.ts';
import { MembershipFiles } from './membership-files.ts';
import { corruptState } from './state-file.ts';

/** Who the member is, in all its memberships. */
export interface MemberIdentity {
  /** Secret. PKCS#8. */
  readonly privateKeyPem: string;
  readonly keyPair: IdentityKeyPair;
  readonly identityKey: IdentityKey;
}

/**
 * What a member keeps on its disk:
 *
 *     lock                          held by the daemon that runs here
 *     member.sock                   its local API, while it runs
 *     identity.pem                  one P-256 key (PKCS#8), shared by all memberships
 *     memberships/VPN.SUBSET/       see `MembershipFiles`
 */
export class MemberDirectory {
  readonly path: string;
  readonly #memberships: string;

  constructor(path: string) {
    this.path = path;
    this.#memberships = join(path, 'memberships');
  }

  /**
   * The identity, made and durable when there was none.
   * @throws MemberError `corrupt-state`
   */
  async identity(): Promise<MemberIdentity> {
    const file = join(this.path, 'identity.pem');
    const existing = await readIfPresent(file);
    if (existing !== undefined) return readIdentity(file, existing);
    const { privateKey } = createIdentityKeyPair();
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeDurably(file, pem);
    return readIdentity(file, pem);
  }

  membership(vpn: VpnName, subset: SubsetName): MembershipFiles {
    return new MembershipFiles(this.#memberships, `${vpn}.${subset}`);
  }

  /** All memberships that have left a trace, in the order of their names. */
  async memberships(): Promise<readonly MembershipFiles[]> {
    const names = await readdir(this.#memberships).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.sort().map((name) => new MembershipFiles(this.#memberships, name));
  }
}

function readIdentity(file: string, privateKeyPem: string): MemberIdentity {
  try {
    const privateKey = createPrivateKey(privateKeyPem);
    const publicKey = createPublicKey(privateKey);
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return { privateKeyPem, keyPair: { privateKey, publicKey }, identityKey: identityKeyOf(spki) };
  } catch {
    // The cause may quote the key.
    throw corruptState(file, 'it is not a P-256 private key in PEM (PKCS#8)');
  }
}

/** Of the local API, beside the state, so that who may read one may ask the other. */
export function localSocketPath(directory: string): string {
  return join(directory, 'member.sock');
}
