import type { SubsetName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { InviteRecord, PlacementRecord } from '../model/records/roll.ts';
import { describeForeign } from './admission.ts';

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
  | {
      readonly kind: 'refuse';
      readonly code: 'bad-token' | 'token-used' | 'token-expired';
      readonly message: string;
    };

/** Each turn costs two transactions; nobody has so many candidates that decline in turn, again and again. */
const mostTurns = 1_000;

/** Which use of an invite is that of a node that asks for a place, and whether it is to get another place. */
export function decideTurn({ nowMs, invite, identityKey, declined }: TurnFacts): TurnDecision {
  if (!invite?.invite.candidates) {
    return refuse(
      'token-used',
      'the invite was revoked, or ended some time ago: ask for a new one',
    );
  }
  const foreign = describeForeign(invite.invite, identityKey);
  if (foreign !== undefined) return refuse('bad-token', foreign);
  const { uses, expiresAtMs } = invite.invite;
  if (expiresAtMs <= nowMs) {
    const end = new Date(expiresAtMs).toISOString();
    return refuse('token-expired', `the invite ended at ${end}: ask for a new one`);
  }
  const free = invite.counted < uses ? invite.counted : undefined;
  const placement = invite.placements.get(identityKey);
  if (placement && !declined.has(placement.subset)) return { kind: 'same', placement };
  if (placement && placement.turn >= mostTurns) {
    return refuse('token-used', `this node was given ${mostTurns} places: ask for a new invite`);
  }
  if (placement) return { kind: 'next', before: placement, oneMore: free };
  if (free !== undefined) return { kind: 'first', use: free };
  return refuse(
    'token-used',
    `the invite has been used ${uses} of ${uses} times: ask for a new one`,
  );
}

function refuse(code: 'bad-token' | 'token-used' | 'token-expired', message: string): TurnDecision {
  return { kind: 'refuse', code, message };
}
