import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SubsetName, VpnName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import { readIfPresent, removeDrafts, writeDurably } from '../runtime/durable-file.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import { createIdentityKeyPair, type IdentityKeyPair } from '../trust/self-signed-certificate.ts';
import { type LandingFile, landingFile, type PendingLanding } from './landing/landing-file.ts';
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
 *     landings/VPN.json             a join whose subset is not known yet, see `LandingFile`
 */
export class MemberDirectory {
  readonly path: string;
  readonly #memberships: string;
  readonly #landings: string;

  constructor(path: string) {
    this.path = path;
    this.#memberships = join(path, 'memberships');
    this.#landings = join(path, 'landings');
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
    const names = await namesIn(this.#memberships);
    return names.map((name) => new MembershipFiles(this.#memberships, name));
  }

  landing(vpn: VpnName): LandingFile {
    return landingFile(join(this.#landings, `${vpn}.json`));
  }

  /** Removes what a crash left half-written of landings: keys and tokens that nobody will need. */
  removeLandingDrafts(): Promise<void> {
    return removeDrafts(this.#landings);
  }

  /** All that are under way. @throws MemberError `corrupt-state` */
  async landings(): Promise<readonly PendingLanding[]> {
    const names = (await namesIn(this.#landings)).filter((name) => name.endsWith('.json'));
    const read = names.map((name) => landingFile(join(this.#landings, name)).read());
    return (await Promise.all(read)).filter((landing) => landing !== undefined);
  }
}

/** Sorted; none where there is no such directory. */
async function namesIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.sort();
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
