import { z } from 'zod';
import { longestGraceMs } from '../grace-period.ts';
import {
  masterNameSchema,
  memberNameSchema,
  operatorNameSchema,
  subsetNameSchema,
} from '../names.ts';
import { addressSchema } from '../prefix.ts';
import { tokenTextSchema } from '../token-text.ts';
import { wireguardPublicKeySchema } from '../wireguard-key.ts';
import { actingChangeSchema } from './directory.ts';
import { identityKeySchema, pem, sealed, timeMs } from './parts.ts';

/* What belongs to one subset, in its roll. */

/** `roll/SUBSET/lease`: held by the master that may change the roll. Its revision fences every write. */
export const actingLeaseSchema = z.object({
  version: z.literal(1),
  master: masterNameSchema,
  sinceMs: timeMs,
  /** The holder before gives it to that master, which has to bind the key to a lease of its own. */
  offered: z
    .object({ from: masterNameSchema, change: z.enum(['handed-over', 'returned']) })
    .optional(),
});
export type ActingLease = z.infer<typeof actingLeaseSchema>;

/** `roll/SUBSET/failover/TIME-ID`: one change of the acting master, written by the new one under its lease. */
export const failoverRecordSchema = z.object({
  version: z.literal(1),
  subset: subsetNameSchema,
  /** Absent the first time. */
  from: masterNameSchema.optional(),
  to: masterNameSchema,
  change: actingChangeSchema,
  /** When the new master found the lease free or was offered it. */
  noticedAtMs: timeMs,
  /** When it had the lease. */
  takenAtMs: timeMs,
  /** When it had read the roll and could change it. */
  actingAtMs: timeMs,
});
export type FailoverRecord = z.infer<typeof failoverRecordSchema>;

/** `roll/SUBSET/authority/MASTER`: the intermediate with which one master issues for one subset. */
export const authorityRecordSchema = z.object({
  version: z.literal(1),
  master: masterNameSchema,
  subset: subsetNameSchema,
  certificate: pem,
  sealedKey: sealed,
});
export type AuthorityRecord = z.infer<typeof authorityRecordSchema>;

/**
 * `roll/SUBSET/restored`: the roll came out of a backup and nobody has acted on it since. Whoever
 * acts first rotates the subset key, which people who were put out after the backup may know, and
 * deletes the record in the same transaction.
 */
export const restoredRecordSchema = z.object({
  version: z.literal(1),
  backupAtMs: timeMs,
  restoredAtMs: timeMs,
});
export type RestoredRecord = z.infer<typeof restoredRecordSchema>;

/** A member's WireGuard public keys, one per path class (DESIGN §6). */
export const memberKeysSchema = z.object({ acting: wireguardPublicKeySchema });
export type MemberKeys = z.infer<typeof memberKeysSchema>;

/**
 * - `active`: in the roll.
 * - `suspended`: came back with a restored backup, and nobody has said yet that it still belongs
 *   here. It keeps its name, addresses and keys, is nobody's peer, and is asked to try again later;
 *   an operator confirms it (`active`) or puts it out.
 * - `left`: asked to leave. `evicted`: put out. `banned`: put out and may not come back.
 *   `expired`: did not come back in time.
 * The last four keep the name and the address from being given again until `reusableAtMs`.
 */
export const memberStateSchema = z.enum([
  'active',
  'suspended',
  'left',
  'evicted',
  'banned',
  'expired',
]);
export type MemberState = z.infer<typeof memberStateSchema>;

/** Whether the member has its place in the roll, so that nobody else can have its name or keys. */
export function isInRoll({ state }: { readonly state: MemberState }): boolean {
  return state === 'active' || state === 'suspended';
}

/** What a member is told about moving to another subset. */
export const moveOrderSchema = z.object({
  to: subsetNameSchema,
  /** Of the token: which order it is. */
  inviteId: z.uuid(),
  /** No secret: it admits the member's own identity key alone. */
  token: tokenTextSchema,
  /** How long it stays here once it is there. */
  graceMs: timeMs.max(longestGraceMs),
  orderedAtMs: timeMs,
  /** When the invite ends. */
  expiresAtMs: timeMs,
  by: z.string().max(128),
  /** Why nothing came of it; the member stays, and is told of it no more. */
  failure: z.object({ atMs: timeMs, reason: z.string().max(1_024) }).optional(),
});
export type MoveOrder = z.infer<typeof moveOrderSchema>;

/** `roll/SUBSET/member/NAME` */
export const memberRecordSchema = z.object({
  version: z.literal(1),
  name: memberNameSchema,
  subset: subsetNameSchema,
  state: memberStateSchema,
  identityKey: identityKeySchema,
  keys: memberKeysSchema,
  /** Which IPv4 block of the subset and which place in it; the IPv6 address has the same place in the /64. */
  addressIndex: z.number().int().min(2),
  ipv4: addressSchema,
  ipv6: addressSchema,
  /** The invite that admitted it; the same key may present it again, nobody else. */
  inviteId: z.uuid(),
  /**
   * An operator's invite has said what it is called. Absent where the name is the member's own word, and
   * from members that joined before this was kept.
   */
  isNamedByInvite: z.literal(true).optional(),
  joinedAtMs: timeMs,
  /** End of the youngest certificate ever issued to it. */
  certificateEndsAtMs: timeMs,
  /** Other subsets that it proved to be in with the same identity key. */
  alsoIn: z.array(subsetNameSchema).max(64),
  /** From the order on until the member is there; also when nothing came of it. */
  moving: moveOrderSchema.optional(),
  /** It is in that subset now, and leaves this one then; kept as long as its name rests. */
  movedTo: z.object({ subset: subsetNameSchema, atMs: timeMs, leavesAtMs: timeMs }).optional(),
  endedAtMs: timeMs.optional(),
  reusableAtMs: timeMs.optional(),
});
export type MemberRecord = z.infer<typeof memberRecordSchema>;

/** `roll/SUBSET/ban/IDENTITY-KEY`: refuses every later join with that key. */
export const banRecordSchema = z.object({
  version: z.literal(1),
  identityKey: identityKeySchema,
  member: memberNameSchema,
  bannedAtMs: timeMs,
  by: z.string().max(128),
});
export type BanRecord = z.infer<typeof banRecordSchema>;

/** More would be more than a member measures; who has more subsets names some of them. */
export const maxCandidateSubsets = 200;

/** `roll/SUBSET/invite/ID` */
export const inviteRecordSchema = z.object({
  version: z.literal(1),
  id: z.uuid(),
  /** How many members it admits. Never changed: each use is a record of its own. */
  uses: z.number().int().positive(),
  expiresAtMs: timeMs,
  /** When set, the only name that the invite admits. */
  memberName: memberNameSchema.optional(),
  /** When set, the only node that the invite admits; to anybody else its token is worth nothing. */
  identityKey: identityKeySchema.optional(),
  /** Of an invite that moves a node: it is so in the subset where that is (`memberRecordSchema`). */
  isNamedByInvite: z.literal(true).optional(),
  /**
   * Whose masters say who may join by it, and where, and count its uses: the home subset of an invite
   * that placement decides. Such a record admits nobody without that subset's claim.
   */
  placedBy: subsetNameSchema.optional(),
  /** At the home subset only: where newcomers may be placed, the home subset only if it is among them. */
  candidates: z.array(subsetNameSchema).min(1).max(maxCandidateSubsets).optional(),
  createdAtMs: timeMs,
  createdBy: operatorNameSchema,
});
export type InviteRecord = z.infer<typeof inviteRecordSchema>;

/**
 * `roll/SUBSET/invite-use/ID/NUMBER`: one use of an invite, 0 to `uses` - 1. It is only ever created,
 * so two members cannot have the same one.
 */
export const inviteUseRecordSchema = z.object({
  version: z.literal(1),
  member: memberNameSchema,
  identityKey: identityKeySchema,
  /** The home subset has taken the place back before anybody had it: claims up to this turn count no more. */
  releasedTurn: z.number().int().positive().optional(),
});
export type InviteUseRecord = z.infer<typeof inviteUseRecordSchema>;

/**
 * `roll/SUBSET/placement/ID/IDENTITY-KEY`, at an invite's home subset: a node that has one use of it, and
 * where it was placed last.
 */
export const placementRecordSchema = z.object({
  version: z.literal(1),
  /** 0 to `uses` - 1; no two have the same. */
  use: z.number().int().nonnegative(),
  identityKey: identityKeySchema,
  /** As the node wants to be called. */
  member: memberNameSchema,
  subset: subsetNameSchema,
  /** 1 for the first place, and one more for each other one. */
  turn: z.number().int().positive(),
});
export type PlacementRecord = z.infer<typeof placementRecordSchema>;
