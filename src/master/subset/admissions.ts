import {
  type AdmissionRefusal,
  type AdmissionRequest,
  decideAdmission,
} from '../../core/admission.ts';
import { encodeRecord, type MemberRecord } from '../../model/records.ts';
import type { Clock } from '../../runtime/clock.ts';
import { inviteKey, inviteUseKey, memberKey } from '../../store/keys.ts';
import type { KnownInvite } from './roll.ts';
import type { SubsetState } from './subset-state.ts';

export type AdmissionResult =
  | { readonly kind: 'admitted'; readonly member: MemberRecord; readonly repeated: boolean }
  | { readonly kind: 'refused'; readonly code: AdmissionRefusal; readonly message: string };

/**
 * Admits members. The decision is taken and entered into the roll in one go, so that two requests
 * can never be given the same thing; it is taken back when the store does not accept it. The
 * result is returned only when it is durable.
 */
export class Admissions {
  readonly #state: SubsetState;
  readonly #clock: Clock;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /** @throws MasterError, StoreError when the store did not accept it; nothing has changed then */
  async admit(inviteId: string, request: AdmissionRequest): Promise<AdmissionResult> {
    const { roll, inFlight, lifetimes, record } = this.#state;
    const name = roll.findInvite(inviteId)?.invite.memberName ?? request.name;
    // A name that is on its way in or out is decided on only when that has ended. From the last
    // look on there is no `await` before the roll has the member.
    while (inFlight.isBusy(name)) await inFlight.settled(name);
    const nowMs = this.#clock.nowMs();
    const invite = roll.findInvite(inviteId);
    const decision = decideAdmission({
      nowMs,
      subset: record,
      roll,
      inviteId,
      invite,
      request,
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
    roll.putMember(member);
    roll.putUse(id, inviteUse, { version: 1, member: name, identityKey });
    return inFlight.run(name, async () => {
      try {
        await this.#state.commit({
          if: [
            { key: useKey, modRevision: 0 },
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
        roll.delete(useKey);
        throw error;
      }
      this.#state.events.rollChanged(subset);
    });
  }
}
