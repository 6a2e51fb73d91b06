import { orderToTell } from '../core/move.ts';
import type { MemberRecord } from '../model/records/roll.ts';
import type { MemberSession } from './session/member-session.ts';
import type { SessionHub } from './session/session-hub.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';

export interface MoveOrdersDependencies {
  readonly hub: Pick<SessionHub, 'find'>;
  readonly subsets: Pick<SubsetKeeper, 'findServed'>;
}

/** Tells members that they are to move: those with a session here at once, others when they come. */
export class MoveOrders {
  readonly #dependencies: MoveOrdersDependencies;

  constructor(dependencies: MoveOrdersDependencies) {
    this.#dependencies = dependencies;
  }

  /** The member was given an order, here or by another master. */
  ordered(member: MemberRecord): void {
    const session = this.#dependencies.hub.find(member.subset, member.name);
    if (session?.member.identityKey === member.identityKey) tell(session, member);
  }

  /** The member has said that it takes orders. */
  welcome(session: MemberSession): void {
    session.takesMoves = true;
    const { subset, name } = session.member;
    const member = this.#dependencies.subsets.findServed(subset)?.roll.findActive(name);
    if (member) tell(session, member);
  }
}

/** Once in a session: its answer may take as long as a join does. */
function tell(session: MemberSession, member: MemberRecord): void {
  const order = orderToTell(member);
  if (!order || !session.takesMoves || session.toldMove === order.inviteId) return;
  session.toldMove = order.inviteId;
  session.send({ type: 'move', token: order.token, graceMs: order.graceMs });
}
