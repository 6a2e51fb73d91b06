import {
  type IntroductionRequest,
  introduceMember,
  type MemberPresence,
} from '../../api/path-endpoints.ts';
import { unprovedAddresses } from '../../core/address-binding.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName } from '../../model/names.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { type CheckedLeaf, verifyChain } from '../../trust/certificate-check.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { MasterLinks } from '../master-links.ts';
import type { Certified } from './presentation.ts';

export interface OtherMastersDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly links: Pick<MasterLinks, 'call'>;
}

/** A member of another master: what that one says of it, and what the root vouches for. */
export type Stranger = MemberPresence & Certified;

/** What masters tell each other of members that are to meet. What one says is believed as far as certificates prove it. */
export class OtherMasters {
  readonly #self: MasterName;
  readonly #dependencies: OtherMastersDependencies;

  constructor(self: MasterName, dependencies: OtherMastersDependencies) {
    this.#self = self;
    this.#dependencies = dependencies;
  }

  /**
   * Asks the masters of the subset, until one has introduced the member to the one at the address.
   * Whoever acts for the subset most likely has its session; a backup may have it.
   * @returns who that is; undefined when nobody is to be found
   */
  async introduce(
    subset: SubsetRecord,
    request: IntroductionRequest,
  ): Promise<Stranger | undefined> {
    const { directory, links, log } = this.#dependencies;
    const acting = directory.actingNow(subset.name) ?? subset.acting;
    const masters = new Set([acting, subset.acting, ...subset.backups]);
    masters.delete(this.#self);
    const input = { params: { subset: subset.name }, body: request };
    for (const master of masters) {
      try {
        const found = await this.identify(await links.call(introduceMember, input, { master }));
        const { address } = request;
        const isSought = found.ipv4 === address || found.ipv6 === address;
        if (isSought && found.subset === subset.name) return found;
        log.debug({ master, address }, 'another member was introduced than the one at the address');
      } catch (error) {
        const reason = describeError(error);
        log.debug({ master, address: request.address, reason }, 'nobody was introduced');
      }
    }
    return undefined;
  }

  /** @throws MasterError `refused` of whom the root does not vouch for, and of who has left */
  async identify(presence: MemberPresence): Promise<Stranger> {
    const leaf = await this.#verify(presence);
    const { identity, wireguardKeys } = leaf;
    const { acting: key } = wireguardKeys;
    if (identity.kind !== 'member' || !key) {
      throw notBelieved('the certificate is of no member of this VPN');
    }
    const { name, subset } = identity;
    const fault = unprovedAddresses(presence, leaf);
    if (fault !== undefined) throw notBelieved(`${name} of ${subset} is not believed: ${fault}`);
    if (this.hasLeft(key)) throw notBelieved(`${name} has left ${subset}`);
    return { ...presence, name, subset, key };
  }

  /** To be asked again after every wait: whoever leaves is withdrawn once, from those that were told of it by then. */
  hasLeft(key: WireguardPublicKey): boolean {
    return this.#dependencies.directory.hasDeparted(key);
  }

  async #verify({ chain }: MemberPresence): Promise<CheckedLeaf> {
    const { directory, clock } = this.#dependencies;
    const { rootCertificate: root } = directory.vpn;
    try {
      return await verifyChain({ chain, root, nowMs: clock.nowMs(), expected: 'member' });
    } catch (cause) {
      throw notBelieved(`the certificate proves nothing: ${describeError(cause)}`, cause);
    }
  }
}

function notBelieved(problem: string, cause?: unknown): MasterError {
  return new MasterError(problem, { code: 'refused', cause });
}
