import type { JoinMessage, View } from '../api/messages.ts';
import { describeSuspension } from '../core/admission.ts';
import { vpnPrefixes } from '../core/gateway-plan.ts';
import type { SubsetName } from '../model/names.ts';
import type { MemberRecord } from '../model/records.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type InviteClaims, readInviteToken, verifyInviteToken } from '../trust/invite-token.ts';
import { TrustError } from '../trust/trust-error.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';
import type { SessionMember } from './session/member-session.ts';
import {
  type JoinOutcome,
  type KnownCaller,
  type MembershipGate,
  SessionRefusal,
  type StrangerCaller,
} from './session/membership-gate.ts';
import type { ActingSubset } from './subset/acting-subset.ts';
import { issueMemberChain } from './subset/authorities.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';
import type { SubsetViews } from './subset/subset-views.ts';

export interface MembershipDependencies {
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly views: SubsetViews;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the gateway has done what it can to let the newest roll through; never rejects. */
  readonly gatewayReady: () => Promise<unknown>;
  /** Tells the master of the subset where the caller already is; never rejects. */
  readonly announceAlsoIn: (caller: KnownCaller, chain: readonly string[]) => void;
}

/** What control sessions ask for, answered out of the subsets that this master acts for. */
export class Membership implements MembershipGate {
  readonly #dependencies: MembershipDependencies;

  constructor(dependencies: MembershipDependencies) {
    this.#dependencies = dependencies;
  }

  async join(message: JoinMessage, caller: KnownCaller | StrangerCaller): Promise<JoinOutcome> {
    const { subset, claims } = await this.#checkToken(message.token);
    const { identityKey } = caller;
    this.#requireUnclaimed(message.keys.acting, subset);
    const result = await subset.admissions.admit(claims.inviteId, {
      name: message.name,
      identityKey,
      keys: message.keys,
    });
    subset.growIfNeeded();
    if (result.kind === 'refused') {
      // Another block is on its way then, if the VPN has one left.
      const retryable = result.code === 'subset-full' || result.code === 'suspended';
      throw new SessionRefusal(result.message, { code: result.code, retryable });
    }
    const member = result.repeated
      ? await subset.renewals.renew(result.member.name)
      : result.member;
    const [chain] = await Promise.all([
      this.#issue(subset, member, caller.publicKey),
      this.#dependencies.gatewayReady(),
    ]);
    await this.#linkSubsets(subset, member, caller, chain);
    return {
      member: { subset: member.subset, name: member.name, identityKey },
      admitted: this.#admitted(member, chain),
    };
  }

  recognise(caller: KnownCaller): SessionMember {
    return { ...this.#require(caller).member, identityKey: caller.identityKey };
  }

  async renew({ subset, name }: SessionMember, publicKey: Buffer): Promise<readonly string[]> {
    const acting = this.#acting(subset);
    return this.#issue(acting, await acting.renewals.renew(name), publicKey);
  }

  async leave({ subset, name }: SessionMember): Promise<void> {
    await this.#dependencies.subsets
      .require(subset)
      .departures.remove(name, 'left', `member:${name}`);
  }

  view({ subset, name, identityKey }: SessionMember): View {
    const { roll } = this.#acting(subset).state;
    if (roll.findActive(name)?.identityKey !== identityKey) {
      throw new SessionRefusal(`${name} is not in the roll of ${subset} any more`, {
        code: 'not-a-member',
      });
    }
    return this.#dependencies.views.current(subset);
  }

  /**
   * Whether the invite has ended is the roll's to say: whoever was admitted before its end may
   * present the token again when the answer was lost.
   */
  async #checkToken(token: string): Promise<{ subset: ActingSubset; claims: InviteClaims }> {
    try {
      const beforeAnyEnd = { nowMs: 0 };
      const subset = this.#acting(readInviteToken(token, beforeAnyEnd).subset);
      const claims = await verifyInviteToken(token, {
        vpn: this.#dependencies.directory.vpn.name,
        subset: subset.state.subset,
        authorities: subset.authorities.certificates,
        ...beforeAnyEnd,
      });
      return { subset, claims };
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      throw new SessionRefusal(error.message, { code: 'bad-token', cause: error });
    }
  }

  /**
   * The members of all subsets of a master are peers of one interface, where WireGuard knows them by
   * their keys alone: who could join one subset with the key of a member of another would take its
   * tunnel over. The subset's own roll is asked when the admission is decided.
   * @throws SessionRefusal `key-taken`
   */
  #requireUnclaimed(key: WireguardPublicKey, joined: ActingSubset): void {
    const { subsets, directory } = this.#dependencies;
    const isOfMember = subsets
      .acting()
      .some((other) => other !== joined && other.state.roll.findByWireguardKey(key));
    const isOfMaster = [...directory.masters.values()].some(
      ({ keys }) => keys.members === key || keys.backbone === key,
    );
    if (!isOfMember && !isOfMaster) return;
    throw new SessionRefusal(
      'another node has this WireGuard key: make a new one for this membership',
      { code: 'key-taken' },
    );
  }

  /** @throws SessionRefusal `wrong-master` */
  #acting(name: SubsetName): ActingSubset {
    try {
      return this.#dependencies.subsets.require(name);
    } catch (error) {
      if (!(error instanceof MasterError)) throw error;
      throw new SessionRefusal(error.message, {
        code: 'wrong-master',
        retryable: true,
        cause: error,
      });
    }
  }

  #require(caller: KnownCaller): { subset: ActingSubset; member: MemberRecord } {
    const { identity, identityKey } = caller;
    if (identity.kind !== 'member') {
      throw new SessionRefusal(`${identity.name} is no member but a ${identity.kind}`, {
        code: 'not-a-member',
      });
    }
    const subset = this.#acting(identity.subset);
    const member = subset.state.roll.findActive(identity.name);
    if (member?.identityKey === identityKey) return { subset, member };
    const former = subset.state.roll.findByName(identity.name);
    if (former?.state === 'suspended' && former.identityKey === identityKey) {
      throw new SessionRefusal(describeSuspension(former), { code: 'suspended', retryable: true });
    }
    const what =
      former?.identityKey === identityKey
        ? `is out of ${identity.subset}: ${former.state}`
        : `is not in the roll of ${identity.subset}`;
    throw new SessionRefusal(`${identity.name} ${what}`, {
      code: former?.state === 'banned' ? 'banned' : 'not-a-member',
    });
  }

  #issue(
    subset: ActingSubset,
    member: MemberRecord,
    publicKey: Buffer,
  ): Promise<readonly string[]> {
    return issueMemberChain(subset.authorities, {
      vpn: this.#dependencies.directory.vpn.name,
      member,
      publicKey,
      nowMs: this.#dependencies.clock.nowMs(),
    });
  }

  /** A node that is in another subset already becomes a shared member: both rolls say so, and a ban finds both. */
  async #linkSubsets(
    subset: ActingSubset,
    member: MemberRecord,
    caller: KnownCaller | StrangerCaller,
    chain: readonly string[],
  ): Promise<void> {
    if (caller.kind !== 'known' || caller.identity.kind !== 'member') return;
    if (caller.identity.subset === member.subset) return;
    await subset.renewals.noteAlsoIn(member.name, caller.identity.subset);
    this.#dependencies.announceAlsoIn(caller, chain);
  }

  #admitted(member: MemberRecord, chain: readonly string[]): JoinOutcome['admitted'] {
    const { vpn } = this.#dependencies.directory;
    return {
      type: 'admitted',
      place: {
        vpn: { name: vpn.name, id: vpn.id, keying: vpn.keying, prefixes: [...vpnPrefixes(vpn)] },
        subset: member.subset,
        name: member.name,
        ipv4: member.ipv4,
        ipv6: member.ipv6,
      },
      chain: [...chain],
      rootCertificate: vpn.rootCertificate,
    };
  }
}
