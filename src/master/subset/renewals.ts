import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { changeMember } from './member-change.ts';
import type { SubsetState } from './subset-state.ts';

/** Changes to members that stay: younger certificates, and what is learnt of other subsets. */
export class Renewals {
  readonly #state: SubsetState;
  readonly #clock: Clock;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /**
   * Makes room in the record for a younger certificate, before the certificate exists: names and
   * addresses rest until the last certificate that could ever have been issued has ended.
   */
  renew(name: MemberName): Promise<MemberRecord> {
    const certificateEndsAtMs = this.#clock.nowMs() + this.#state.lifetimes.certificateMs;
    return this.#change(name, () => {
      const member = this.#state.requireActive(name);
      return {
        ...member,
        certificateEndsAtMs: Math.max(member.certificateEndsAtMs, certificateEndsAtMs),
      };
    });
  }

  /** Notes that the member, a suspended one too, was proved to be in another subset. */
  noteAlsoIn(name: MemberName, subset: SubsetName): Promise<MemberRecord> {
    return this.#change(name, (member) =>
      member.alsoIn.includes(subset)
        ? member
        : { ...member, alsoIn: [...member.alsoIn, subset].sort() },
    );
  }

  #change(name: MemberName, change: (member: MemberRecord) => MemberRecord): Promise<MemberRecord> {
    return changeMember(this.#state, name, { change });
  }
}
