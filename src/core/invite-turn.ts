import type { SubsetName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { InviteRecord, PlacementRecord } from '../model/records/roll.ts';
import { type InviteRefusal, refuseInvite, refuseUsedUp, revokedInvite } from './admission.ts';

/** An invite at its home subset, and who has been placed by it. */
export interface PlacedInviteFacts {
  readonly invite: InviteRecord;
  /** Who has a use, and which. */
  readonly placements: ReadonlyMap<IdentityKey, PlacementRecord>;
  /** How many uses have been counted: they are given in order, and none is given back. */
  readonly counted: number;
}

export interface TurnFacts {
  readonly nowMs: number;
  /** Undefined when it is not in the roll: revoked, or forgotten after its end. */
  readonly invite: PlacedInviteFacts | undefined;
  /** Of the node that asks for a place: its TLS handshake has proved it. */
  readonly identityKey: IdentityKey;
  /** Where it could not join, or does not want to. */
  readonly declined: ReadonlySet<SubsetName>;
}

export type TurnDecision =
  /** It has a use of the invite, and its place is kept. */
  | { readonly kind: 'same'; readonly placement: PlacementRecord }
  | { readonly kind: 'first'; readonly use: number }
  /**
   * It gets another place: by the use that it has, once it is certain that it is not in the place
   * before. While nobody can say that, only by one use more.
   */
  | {
      readonly kind: 'next';
      readonly before: PlacementRecord;
      /** Undefined when all uses are counted. */
      readonly oneMore: number | undefined;
    }
  | InviteRefusal;

/** Each turn costs two transactions; nobody has so many candidates that decline in turn, again and again. */
const mostTurns = 1_000;

/** Which use of an invite is that of a node that asks for a place, and whether it is to get another place. */
export function decideTurn({ nowMs, invite, identityKey, declined }: TurnFacts): TurnDecision {
  if (!invite?.invite.candidates) return revokedInvite;
  const refusal = refuseInvite(invite.invite, identityKey, nowMs);
  if (refusal) return refusal;
  const free = invite.counted < invite.invite.uses ? invite.counted : undefined;
  const placement = invite.placements.get(identityKey);
  if (placement && !declined.has(placement.subset)) return { kind: 'same', placement };
  if (placement && placement.turn >= mostTurns) {
    const message = `this node was given ${mostTurns} places: ask for a new invite`;
    return { kind: 'refuse', code: 'token-used', message };
  }
  if (placement) return { kind: 'next', before: placement, oneMore: free };
  if (free !== undefined) return { kind: 'first', use: free };
  return refuseUsedUp(invite.invite);
}
