import type { Blocks } from '../../core/addressing.ts';
import {
  type AdmissionRefusal,
  type AdmissionRequest,
  type ClaimedPlace,
  decideAdmission,
} from '../../core/admission.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { inviteKey, inviteUseKey, memberKey } from '../../store/keys.ts';
import type { KnownInvite } from './roll.ts';
import type { SubsetState } from './subset-state.ts';

export type AdmissionResult =
  | { readonly kind: 'admitted'; readonly member: MemberRecord; readonly repeated: boolean }
  | { readonly kind: 'refused'; readonly code: AdmissionRefusal; readonly message: string };

export interface AdmissionsDependencies {
  readonly clock: Clock;
  /** Those that new members are to have addresses of, by now. */
  readonly blocks: () => Blocks;
}

/** What a newcomer shows who was placed here, and what it is held to. */
export interface PlacedAdmission {
  readonly claim: ClaimedPlace;
  /** See `AdmissionFacts`; asked when the decision is taken. */
  readonly fullWith: () => number | undefined;
}

/**
 * Admits members. The decision is taken and entered into the roll in one go, so that two requests
 * can never be given the same thing; it is taken back when the store does not accept it. The
 * result is returned only when it is durable.
 */
export class Admissions {
  readonly #state: SubsetState;
  readonly #dependencies: AdmissionsDependencies;

  constructor(state: SubsetState, dependencies: AdmissionsDependencies) {
    this.#state = state;
    this.#dependencies = dependencies;
  }

  /**
   * @param placed absent for whoever presents the invite itself
   * @throws MasterError, StoreError when the store did not accept it; nothing has changed then
   */
  async admit(
    inviteId: string,
    request: AdmissionRequest,
    placed?: PlacedAdmission,
  ): Promise<AdmissionResult> {
    const { roll, inFlight, lifetimes, record } = this.#state;
    const name = roll.findInvite(inviteId)?.invite.memberName ?? request.name;
    // A name that is on its way in or out is decided on only when that has ended. From the last
    // look on there is no `await` before the roll has the member.
    while (inFlight.isBusy(name)) await inFlight.settled(name);
    const nowMs = this.#dependencies.clock.nowMs();
    const invite = roll.findInvite(inviteId);
    const decision = decideAdmission({
      nowMs,
      subset: record,
      blocks: this.#dependencies.blocks(),
      roll,
      inviteId,
      invite,
      request,
      claim: placed?.claim,
      fullWith: placed?.fullWith(),
      certificateEndsAtMs: nowMs + lifetimes.certificateMs,
    });
    if (decision.kind === 'refuse') return { ...decision, kind: 'refused' };
    if (decision.kind === 'repeat') return this.#repeat(decision.member);
    if (invite) await this.#enter(invite, decision.member, decision.inviteUse);
    return { kind: 'admitted', member: decision.member, repeated: false };
  }

  /** The first answer was lost; this one too may be given only when the first admission is durable. */
  async #repeat({ name }: MemberRecord): Promise<AdmissionResult> {
    await this.#state.inFlight.settled(name);
    const member = this.#state.roll.findActive(name);
    if (member) return { kind: 'admitted', member, repeated: true };
    return {
      kind: 'refused',
      code: 'token-used',
      message: 'the first use of this invite did not succeed: try again',
    };
  }

  /** No `await` before the roll has the member: between the decision and here nothing may change. */
  #enter(invite: KnownInvite, member: MemberRecord, inviteUse: number): Promise<void> {
    const { roll, inFlight } = this.#state;
    const { subset, name, identityKey } = member;
    const { id } = invite.invite;
    const former = roll.findByName(name);
    const useKey = inviteUseKey(subset, id, inviteUse);
    const released = invite.uses.get(inviteUse);
    roll.putMember(member);
    roll.putUse(id, inviteUse, { version: 1, member: name, identityKey });
    return inFlight.run(name, async () => {
      try {
        await this.#state.commit({
          if: [
            ...(released ? [] : [{ key: useKey, modRevision: 0 }]),
            { key: inviteKey(subset, id), createRevision: invite.createRevision },
          ],
          then: [
            { put: memberKey(subset, name), value: encodeRecord(member) },
            { put: useKey, value: encodeRecord({ version: 1, member: name, identityKey }) },
          ],
          audit: [{ action: 'member-joined', actor: `member:${name}`, subject: name }],
        });
      } catch (error) {
        roll.deleteMember(name);
        if (former) roll.putMember(former);
        if (released) roll.putUse(id, inviteUse, released);
        else roll.delete(useKey);
        throw error;
      }
      this.#state.events.rollChanged(subset);
    });
  }
}
