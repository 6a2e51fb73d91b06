import { withFailure, withMoved, withOrder } from '../../core/move.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord, MoveOrder } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { MasterError } from '../master-error.ts';
import { changeMember } from './member-change.ts';
import type { SubsetState } from './subset-state.ts';

/** Members that are to move to another subset, from the order to the day that they leave. */
export class Moves {
  readonly #state: SubsetState;
  readonly #clock: Clock;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /**
   * The member hears of it in its session, or in its next one. An earlier order is void.
   * @throws MasterError `no-such-member`, `not-active`, `suspended`, `refused` when it has moved already; StoreError
   */
  async order(name: MemberName, order: Omit<MoveOrder, 'orderedAtMs' | 'failure'>): Promise<void> {
    const orderedAtMs = this.#clock.nowMs();
    const member = await changeMember(this.#state, name, {
      change: (before) => {
        this.#state.requireActive(name);
        if (before.movedTo) throw hasMoved(before, before.movedTo);
        return withOrder(before, { ...order, orderedAtMs });
      },
      note: { action: 'member-move-ordered', actor: order.by },
    });
    this.#state.events.moveOrdered(member);
  }

  /** The member has proved that it is in that subset. Nothing happens unless it was ordered there. */
  async finish(name: MemberName, subset: SubsetName): Promise<void> {
    await changeMember(this.#state, name, {
      change: (member) => withMoved(member, subset, this.#clock.nowMs()),
      note: { action: 'member-moved', actor: `member:${name}` },
    });
  }

  /** The member could not do what it was ordered to by that invite. */
  async fail(
    name: MemberName,
    failure: { readonly inviteId: string; readonly reason: string },
  ): Promise<void> {
    await changeMember(this.#state, name, {
      change: (member) => withFailure(member, failure, this.#clock.nowMs()),
      note: { action: 'member-not-moved', actor: `member:${name}` },
    });
  }
}

function hasMoved(
  { name, subset }: MemberRecord,
  { subset: to, leavesAtMs }: NonNullable<MemberRecord['movedTo']>,
): MasterError {
  return new MasterError(
    `${name} has moved: it is ${name}.${to} now, and leaves ${subset} at ${new Date(leavesAtMs).toISOString()}`,
    { code: 'refused', fields: { member: name, movedTo: to } },
  );
}
