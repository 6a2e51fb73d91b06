import type { MemberName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { memberKey } from '../../store/keys.ts';
import type { SubsetState } from './subset-state.ts';

/** etcd refuses transactions of more than 128 operations; a confirmation takes two. */
const confirmationsPerTransaction = 48;

/** Lets members of a restored roll in again that an operator vouches for. */
export class Confirmations {
  readonly #state: SubsetState;
  readonly #clock: Clock;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /**
   * Harmless when the member is active already.
   * @param actor who asked, as the audit log names it
   * @throws MasterError `no-such-member`, `not-active`, `not-acting`; StoreError
   */
  async confirm(name: MemberName, actor: string): Promise<void> {
    await this.#state.inFlight.settled(name);
    this.#state.requireMember(name);
    await this.#confirm([name], actor);
  }

  /**
   * Everybody who is suspended at the call.
   * @returns who is active by it
   * @throws MasterError `not-acting`; StoreError; those before are confirmed then
   */
  async confirmAll(actor: string): Promise<readonly MemberName[]> {
    const names = [...this.#state.roll.suspendedMembers()].map(({ name }) => name);
    const confirmed: MemberName[] = [];
    for (let start = 0; start < names.length; start += confirmationsPerTransaction) {
      const chunk = names.slice(start, start + confirmationsPerTransaction);
      confirmed.push(...(await this.#confirm(chunk, actor)));
    }
    return confirmed;
  }

  #confirm(names: readonly MemberName[], actor: string): Promise<readonly MemberName[]> {
    const { inFlight, roll, subset, events } = this.#state;
    return inFlight.runForAll(names, async () => {
      const members = names.flatMap((name) => {
        const member = roll.findByName(name);
        return member?.state === 'suspended' ? [this.#confirmed(member)] : [];
      });
      if (members.length === 0) return [];
      await this.#state.commit({
        then: members.map((member) => ({
          put: memberKey(subset, member.name),
          value: encodeRecord(member),
        })),
        audit: members.map(({ name }) => ({ action: 'member-confirmed', actor, subject: name })),
      });
      for (const member of members) roll.putMember(member);
      events.rollChanged(subset);
      return members.map(({ name }) => name);
    });
  }

  /** It could not renew its certificate while it was suspended, so its absence begins now. */
  #confirmed(member: MemberRecord): MemberRecord {
    const certificateEndsAtMs = this.#clock.nowMs() + this.#state.lifetimes.certificateMs;
    return {
      ...member,
      state: 'active',
      certificateEndsAtMs: Math.max(member.certificateEndsAtMs, certificateEndsAtMs),
    };
  }
}
