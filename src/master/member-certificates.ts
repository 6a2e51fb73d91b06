import type { MemberName } from '../model/names.ts';
import type { MemberRecord } from '../model/records/roll.ts';
import type { Clock } from '../runtime/clock.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';
import type { ActingSubset } from './subset/acting-subset.ts';
import { issueMemberChain } from './subset/authorities.ts';

export interface MemberCertificatesDependencies {
  readonly directory: Directory;
  readonly clock: Clock;
}

/** Certificates of members, which only the acting master of their subset makes. */
export class MemberCertificates {
  readonly #dependencies: MemberCertificatesDependencies;

  constructor(dependencies: MemberCertificatesDependencies) {
    this.#dependencies = dependencies;
  }

  /** @param publicKey SubjectPublicKeyInfo, DER @returns the chain, PEM */
  issue(subset: ActingSubset, member: MemberRecord, publicKey: Buffer): Promise<readonly string[]> {
    return issueMemberChain(subset.authorities, {
      vpn: this.#dependencies.directory.vpn.name,
      member,
      publicKey,
      nowMs: this.#dependencies.clock.nowMs(),
    });
  }

  /**
   * A younger one for the key that the member joined with.
   * @throws MasterError `refused` when the key is another; as `Renewals.renew`
   */
  async renew(
    subset: ActingSubset,
    name: MemberName,
    publicKey: Buffer,
  ): Promise<readonly string[]> {
    const { identityKey } = subset.state.requireActive(name);
    if (identityKeyOf(publicKey) !== identityKey) {
      throw new MasterError(`${name} joined with another key than that`, {
        code: 'refused',
        fields: { member: name },
      });
    }
    return this.issue(subset, await subset.renewals.renew(name), publicKey);
  }
}
