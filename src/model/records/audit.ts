import { z } from 'zod';
import { masterNameSchema, subsetNameSchema } from '../names.ts';
import { epochSchema } from '../wireguard-key.ts';
import { timeMs } from './parts.ts';

/* Who has changed what, and when. */

/** What a master writes. Whoever reads a log has to take others as well: see `loggedActionSchema`. */
export type AuditAction =
  | 'invite-created'
  | 'invite-revoked'
  | 'member-placed'
  | 'member-joined'
  | 'member-left'
  | 'member-evicted'
  | 'member-banned'
  | 'member-unbanned'
  | 'member-expired'
  | 'member-move-ordered'
  | 'member-moved'
  | 'member-not-moved'
  | 'member-confirmed'
  | 'name-released'
  | 'key-rotated'
  | 'key-rotated-on-request'
  | 'block-added'
  | 'subset-restored'
  | 'acting-changed';

/** As it is read: masters of later versions write others, and the log is one for all. */
const loggedActionSchema = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/);

/** `roll/SUBSET/audit/TIME-SERIAL`: written in the same transaction as the change, never changed. */
export const auditRecordSchema = z.object({
  version: z.literal(1),
  atMs: timeMs,
  action: loggedActionSchema,
  /** Who asked: `operator:NAME`, `member:NAME` or `master:NAME`. */
  actor: z.string().max(128),
  /** The master that did it. */
  master: masterNameSchema,
  subset: subsetNameSchema,
  /** What it was done to: a member's name, an invite's id or a block. */
  subject: z.string().max(128),
  /** The subset's epoch after the change. */
  epoch: epochSchema,
});
export type AuditRecord = z.infer<typeof auditRecordSchema>;

/** What a master writes. */
export type VpnAuditAction =
  | 'placement-policy-set'
  | 'placement-policy-removed'
  | 'keying-changed'
  | 'master-drained'
  | 'master-returned'
  | 'operator-revoked';

/** `audit/TIME-ID`: as `auditRecordSchema`, for what an operator changed for the whole VPN. */
export const vpnAuditRecordSchema = z.object({
  version: z.literal(1),
  atMs: timeMs,
  action: loggedActionSchema,
  /** Who asked: `operator:NAME`. */
  actor: z.string().max(128),
  /** The master that did it. */
  master: masterNameSchema,
  /** Of a policy the SHA-256 of its text, in hexadecimal digits; else a phase of the keying, a master’s or an operator’s name. */
  subject: z.string().max(128),
});
export type VpnAuditRecord = z.infer<typeof vpnAuditRecordSchema>;
