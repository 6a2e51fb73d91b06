import { randomUUID } from 'node:crypto';
import type { MemberName, OperatorName, SubsetName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import type { InviteRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { banKey, inviteKey } from '../../store/keys.ts';
import { MasterError } from '../master-error.ts';
import type { SubsetState } from './subset-state.ts';

/** What an invite is in each of its subsets, when placement decides which of them a newcomer gets. */
export interface PlacedInvite {
  /** The same in all of them. */
  readonly id: string;
  readonly home: SubsetName;
  /** For the home subset. */
  readonly candidates: readonly SubsetName[];
}

export interface InviteRequest {
  readonly uses: number;
  readonly lifetimeMs: number;
  readonly memberName?: MemberName | undefined;
  readonly identityKey?: IdentityKey | undefined;
  readonly isNamedByInvite?: true | undefined;
  readonly createdBy: OperatorName;
  readonly placed?: PlacedInvite;
}

/** Who may come in: invites, and the bans that outlast them. */
export class Invites {
  readonly #state: SubsetState;
  readonly #clock: Clock;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /** @throws MasterError `refused` when there is an invite with the id, and as `SubsetState.commit` */
  async create(request: InviteRequest): Promise<InviteRecord> {
    const { subset, roll } = this.#state;
    const nowMs = this.#clock.nowMs();
    const { placed } = request;
    const id = placed?.id ?? randomUUID();
    if (roll.findInvite(id)) throw invitedBefore(id, subset);
    const invite: InviteRecord = {
      version: 1,
      id,
      uses: request.uses,
      expiresAtMs: nowMs + request.lifetimeMs,
      ...(request.memberName ? { memberName: request.memberName } : {}),
      ...(request.identityKey ? { identityKey: request.identityKey } : {}),
      ...(request.isNamedByInvite ? { isNamedByInvite: true } : {}),
      ...(placed ? { placedBy: placed.home } : {}),
      ...(placed?.home === subset ? { candidates: [...placed.candidates] } : {}),
      createdAtMs: nowMs,
      createdBy: request.createdBy,
    };
    const key = inviteKey(subset, invite.id);
    const revision = await this.#state.commit({
      if: [{ key, modRevision: 0 }],
      then: [{ put: key, value: encodeRecord(invite) }],
      audit: [
        { action: 'invite-created', actor: `operator:${request.createdBy}`, subject: invite.id },
      ],
    });
    roll.putInvite(invite, revision);
    return invite;
  }

  /** Whoever asks to join from now on is refused. @throws MasterError `no-such-invite` */
  async revoke(id: string, actor: string): Promise<void> {
    const { subset, roll } = this.#state;
    if (!roll.findInvite(id)) {
      throw new MasterError(
        `there is no invite ${id} in ${subset}: "hanse invite list --subset ${subset}" shows them`,
        {
          code: 'no-such-invite',
          fields: { invite: id, subset },
        },
      );
    }
    const key = inviteKey(subset, id);
    // Gone from memory first: a join that counted on it would be contradicted by the store, and
    // that would stop the whole subset. When this cannot be written the roll is read anew.
    roll.delete(key);
    await this.#state.commit({
      then: [{ delete: key }],
      audit: [{ action: 'invite-revoked', actor, subject: id }],
    });
  }

  /** @throws MasterError `no-such-member` when nobody of that name is banned */
  async unban(name: MemberName, actor: string): Promise<void> {
    const { subset, roll } = this.#state;
    const bans = [...roll.bans()].filter((ban) => ban.member === name);
    if (bans.length === 0) {
      throw new MasterError(`nobody called ${name} is banned from ${subset}`, {
        code: 'no-such-member',
        fields: { member: name, subset },
      });
    }
    const keys = bans.map((ban) => banKey(subset, ban.identityKey));
    await this.#state.commit({
      then: keys.map((key) => ({ delete: key })),
      audit: [{ action: 'member-unbanned', actor, subject: name }],
    });
    for (const key of keys) roll.delete(key);
  }
}

function invitedBefore(id: string, subset: SubsetName): MasterError {
  return new MasterError(`there is an invite ${id} in ${subset} already`, {
    code: 'refused',
    fields: { reason: 'invited-before', invite: id, subset },
  });
}
