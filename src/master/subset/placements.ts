import { encodeRecord } from '../../model/records/codec.ts';
import type { InviteUseRecord, PlacementRecord } from '../../model/records/roll.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import { inviteKey, inviteUseKey, placementKey } from '../../store/keys.ts';
import { MasterError } from '../master-error.ts';
import type { KnownInvite } from './roll.ts';
import type { SubsetState } from './subset-state.ts';

/**
 * - `released`: nobody can join by the place any more.
 * - `taken`: somebody has joined by it.
 */
export type ReleaseResult = 'released' | 'taken';

/** A place as its home subset has given it. */
export type GivenPlace = Omit<PlacementRecord, 'version' | 'subset'> & {
  readonly inviteId: string;
};

/** Places that were given by an invite: written down at its home subset, and taken back at the others. */
export class Placements {
  readonly #state: SubsetState;
  /** By invite and use: one that is on its way may yet fail, and is no answer to the next. */
  readonly #releasing = new KeyedQueue<string>();

  constructor(state: SubsetState) {
    this.#state = state;
  }

  /**
   * Writes down where a node is placed. Resolves when that is durable. No `await` before the roll has
   * it: two nodes can never be given the same use.
   * @throws MasterError, StoreError when the store did not accept it; nothing has changed then
   */
  async record(inviteId: string, placement: PlacementRecord): Promise<void> {
    const { subset, roll } = this.#state;
    const invite = this.#require(inviteId);
    const key = placementKey(subset, inviteId, placement.identityKey);
    const former = invite.placements.get(placement.identityKey);
    roll.putPlacement(inviteId, placement);
    const { member } = placement;
    const subject = `${member}.${placement.subset}`;
    try {
      await this.#state.commit({
        if: [{ key: inviteKey(subset, inviteId), createRevision: invite.createRevision }],
        then: [{ put: key, value: encodeRecord(placement) }],
        audit: [{ action: 'member-placed', actor: `member:${member}`, subject }],
      });
    } catch (error) {
      if (former) roll.putPlacement(inviteId, former);
      else roll.delete(key);
      throw error;
    }
  }

  /**
   * Takes a place of this subset back, unless somebody has joined by it. Harmless to repeat. Resolves
   * when that is durable.
   * @throws MasterError, StoreError when the store did not accept it
   */
  release(given: GivenPlace): Promise<ReleaseResult> {
    return this.#releasing.run(`${given.inviteId}/${given.use}`, () => this.#release(given));
  }

  async #release(given: GivenPlace): Promise<ReleaseResult> {
    const { roll, subset } = this.#state;
    const { inviteId, use, turn, member, identityKey } = given;
    const invite = roll.findInvite(inviteId);
    // By what is not there, or was never for so many, nobody can join.
    if (!invite || use >= invite.invite.uses) return 'released';
    const former = invite.uses.get(use);
    const isOpen = former?.releasedTurn !== undefined && former.identityKey === identityKey;
    if (former && !isOpen) return 'taken';
    if ((former?.releasedTurn ?? 0) >= turn) return 'released';
    const key = inviteUseKey(subset, inviteId, use);
    const released: InviteUseRecord = { version: 1, member, identityKey, releasedTurn: turn };
    roll.putUse(inviteId, use, released);
    try {
      await this.#state.commit({
        if: [{ key: inviteKey(subset, inviteId), createRevision: invite.createRevision }],
        then: [{ put: key, value: encodeRecord(released) }],
        audit: [],
      });
    } catch (error) {
      if (former) roll.putUse(inviteId, use, former);
      else roll.delete(key);
      throw error;
    }
    return 'released';
  }

  /** @throws MasterError `no-such-invite` */
  #require(id: string): KnownInvite {
    const { subset, roll } = this.#state;
    const invite = roll.findInvite(id);
    if (invite) return invite;
    throw new MasterError(`there is no invite ${id} in ${subset} any more`, {
      code: 'no-such-invite',
      fields: { invite: id, subset },
    });
  }
}
