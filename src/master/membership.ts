import type { JoinMessage, View } from '../api/messages.ts';
import type { MoveReport } from '../api/move-messages.ts';
import type { LandMessage } from '../api/placing-messages.ts';
import { describeSuspension } from '../core/admission.ts';
import { vpnPrefixes } from '../core/gateway-plan.ts';
import { HanseError } from '../model/error.ts';
import type { SubsetName } from '../model/names.ts';
import type { MemberRecord } from '../model/records/roll.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { ActingRequests } from './acting-requests.ts';
import type { Directory } from './directory/directory.ts';
import type { MemberCertificates } from './member-certificates.ts';
import { asWrongMaster, checkClaim, checkToken } from './presented-invite.ts';
import type { SessionMember } from './session/member-session.ts';
import {
  type JoinOutcome,
  type KnownCaller,
  type MembershipGate,
  SessionRefusal,
  type StrangerCaller,
} from './session/membership-gate.ts';
import type { ActingSubset } from './subset/acting-subset.ts';
import type { PlacedAdmission } from './subset/admissions.ts';
import type { Roll } from './subset/roll.ts';
import type { ServedSubset } from './subset/served-subset.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';
import type { SubsetViews } from './subset/subset-views.ts';

export interface MembershipDependencies {
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly views: SubsetViews;
  readonly certificates: MemberCertificates;
  readonly requests: ActingRequests;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the gateway has done what it can to let the newest roll through; never rejects. */
  readonly gatewayReady: () => Promise<unknown>;
  /** Tells the master of the subset where the caller already is; never rejects. */
  readonly announceAlsoIn: (caller: KnownCaller, chain: readonly string[]) => void;
  /** What the policy lets this master act for, when it acts for as many. */
  readonly fullWith: () => number | undefined;
}

interface Invited {
  readonly subset: ActingSubset;
  readonly inviteId: string;
  readonly placed?: PlacedAdmission;
}

/** What control sessions ask for, answered out of the subsets that this master serves. */
export class Membership implements MembershipGate {
  readonly #dependencies: MembershipDependencies;

  constructor(dependencies: MembershipDependencies) {
    this.#dependencies = dependencies;
  }

  async join(message: JoinMessage, caller: KnownCaller | StrangerCaller): Promise<JoinOutcome> {
    const { subset, claims } = await checkToken(message.token, this.#dependencies);
    if (!claims.isPlaced)
      return this.#admit({ subset, inviteId: claims.inviteId }, message, caller);
    throw new SessionRefusal(
      'the invite leaves the subset to placement: this node has to ask for a place first',
      { code: 'bad-token' },
    );
  }

  async land(message: LandMessage, caller: KnownCaller | StrangerCaller): Promise<JoinOutcome> {
    const { fullWith } = this.#dependencies;
    const { identityKey } = caller;
    const { subset, claim } = await checkClaim(message.claim, identityKey, this.#dependencies);
    const placed = { claim, fullWith };
    return this.#admit({ subset, inviteId: claim.inviteId, placed }, message, caller);
  }

  async #admit(
    { subset, inviteId, placed }: Invited,
    { name, keys }: Pick<JoinMessage, 'name' | 'keys'>,
    caller: KnownCaller | StrangerCaller,
  ): Promise<JoinOutcome> {
    const { identityKey } = caller;
    this.#requireUnclaimed(keys.acting, subset);
    const result = await subset.admissions
      .admit(inviteId, { name, identityKey, keys }, placed)
      .catch((error: unknown) => Promise.reject(asWrongMaster(error)));
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
      this.#dependencies.certificates.issue(subset, member, caller.publicKey),
      this.#dependencies.gatewayReady(),
    ]);
    await this.#linkSubsets(subset, member, caller, chain);
    return {
      member: { subset: member.subset, name: member.name, identityKey },
      admitted: this.#admitted(member, chain),
    };
  }

  async recognise(caller: KnownCaller): Promise<SessionMember> {
    const { identity, identityKey } = caller;
    if (identity.kind !== 'member') {
      throw new SessionRefusal(`${identity.name} is no member but a ${identity.kind}`, {
        code: 'not-a-member',
      });
    }
    const { subset, roll } = this.#served(identity.subset);
    const known = roll.findActive(identity.name);
    if (known?.identityKey !== identityKey) {
      await this.#refuse({ subset, name: identity.name, identityKey }, roll);
    }
    return { subset, name: identity.name, identityKey };
  }

  renew(member: SessionMember, publicKey: Buffer): Promise<readonly string[]> {
    return this.#dependencies.requests.renew(member, publicKey);
  }

  leave(member: SessionMember): Promise<void> {
    return this.#dependencies.requests.leave(member);
  }

  async reportMove(member: SessionMember, report: MoveReport): Promise<void> {
    try {
      await this.#dependencies.requests.reportMove(member, report);
    } catch (error) {
      if (!(error instanceof HanseError) || error.code !== 'refused') throw error;
      throw new SessionRefusal(error.message, { code: 'bad-message', cause: error });
    }
  }

  view({ subset, name, identityKey }: SessionMember): View {
    const served = this.#served(subset);
    if (served.roll.findActive(name)?.identityKey !== identityKey) {
      throw new SessionRefusal(`${name} is not in the roll of ${subset} any more`, {
        code: 'not-a-member',
      });
    }
    return this.#dependencies.views.current(served);
  }

  mayBeHeld(subset: SubsetName, key: WireguardPublicKey): boolean {
    const { directory, subsets } = this.#dependencies;
    const own = this.#served(subset).roll.findByWireguardKey(key);
    // After the VPN has left the keying mode with one key, its members part by themselves, without a loss.
    if (own || !directory.sharedKey) return own?.state === 'active';
    if (directory.hasDeparted(key)) return false;
    const others = subsets.serving().flatMap(({ roll }) => roll.findByWireguardKey(key) ?? []);
    return others.every(({ state }) => state === 'active');
  }

  /** A followed roll may not have what was written a moment ago, so that a no is the store's to say. */
  async #refuse(member: SessionMember, roll: Roll): Promise<never> {
    const { subset, name } = member;
    const { subsets } = this.#dependencies;
    if (subsets.find(subset)) throw refusalOf(member, roll.findByName(name));
    const stored = await subsets.duty(subset).readMember(name);
    if (stored?.state !== 'active' || stored.identityKey !== member.identityKey) {
      throw refusalOf(member, stored);
    }
    throw new SessionRefusal(`this master has not heard yet that ${name} is in ${subset}`, {
      code: 'unavailable',
      retryable: true,
    });
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
      .serving()
      .some(({ subset, roll }) => subset !== joined.state.subset && roll.findByWireguardKey(key));
    const isOfMaster = [...directory.masters.values()].some(
      ({ keys }) => keys.members === key || keys.backbone === key,
    );
    if (!isOfMember && !isOfMaster) return;
    throw new SessionRefusal(
      'another node has this WireGuard key: make a new one for this membership',
      { code: 'key-taken' },
    );
  }

  /** Acting or following. @throws SessionRefusal `wrong-master` */
  #served(name: SubsetName): ServedSubset {
    try {
      return this.#dependencies.subsets.requireServed(name);
    } catch (error) {
      throw asWrongMaster(error);
    }
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

function refusalOf(
  { subset, name, identityKey }: SessionMember,
  former?: MemberRecord,
): SessionRefusal {
  if (former?.identityKey !== identityKey) {
    return new SessionRefusal(`${name} is not in the roll of ${subset}`, { code: 'not-a-member' });
  }
  if (former.state === 'suspended') {
    return new SessionRefusal(describeSuspension(former), { code: 'suspended', retryable: true });
  }
  return new SessionRefusal(`${name} is out of ${subset}: ${former.state}`, {
    code: former.state === 'banned' ? 'banned' : 'not-a-member',
  });
}
