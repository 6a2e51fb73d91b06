import { z } from 'zod';
import { endpointSchema, hostSchema } from './endpoint.ts';
import { InvalidInputError } from './error.ts';
import {
  masterNameSchema,
  memberNameSchema,
  operatorNameSchema,
  regionNameSchema,
  subsetNameSchema,
  vpnNameSchema,
} from './names.ts';
import { addressSchema, prefixSchema } from './prefix.ts';
import { epochSchema, wireguardPublicKeySchema } from './wireguard-key.ts';

/*
 * What the store holds. Every record carries the version of its own form, so that masters one
 * version apart can work on one store. Times are milliseconds since the Unix epoch.
 */

const timeMs = z.number().int().nonnegative();
const pem = z.string().startsWith('-----BEGIN CERTIFICATE-----').max(16_384);
/** Leaf first, then the intermediates; the root is never part of it. */
export const chainSchema = z.array(pem).min(1).max(3);
/** Text that only the holders of the sealing key can open (`trust/sealing`). */
const sealed = z.string().max(8_192);
/** SHA-256 of a certificate's SubjectPublicKeyInfo, base64url: who somebody is, whatever the name. */
export const identityKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .brand<'IdentityKey'>();
export type IdentityKey = z.infer<typeof identityKeySchema>;

export const keyingModeSchema = z.enum(['per-subset', 'shared']);
export type KeyingMode = z.infer<typeof keyingModeSchema>;

/** How long things live; all of them can be set at `hanse vpn create`. */
export const lifetimesSchema = z.object({
  /** A member's certificate; renewed over the session after two thirds of it. */
  certificateMs: timeMs.min(10_000),
  /** A subset key, when nothing else rotates it. */
  keyRotationMs: timeMs.min(10_000),
  /** How long after its certificate ended a silent member is still kept in the roll. */
  absenceMs: timeMs.min(1_000),
  /** How long a master that has come back must have been well before it takes its subsets back. */
  settleMs: timeMs.min(1_000).default(60_000),
});
export type Lifetimes = z.infer<typeof lifetimesSchema>;

/** `directory/vpn`: written once. */
export const vpnRecordSchema = z.object({
  version: z.literal(1),
  name: vpnNameSchema,
  /** Tells two VPNs of the same name apart, in interface names too. */
  id: z.string().regex(/^[0-9a-f]{8}$/),
  /** A unique local /48 (RFC 4193). */
  ipv6: prefixSchema,
  ipv4: prefixSchema,
  /** Prefix length of the first IPv4 block of a subset. */
  ipv4BlockLength: z.number().int().min(8).max(30),
  keying: keyingModeSchema,
  lifetimes: lifetimesSchema,
  rootCertificate: pem,
  createdAtMs: timeMs,
});
export type VpnRecord = z.infer<typeof vpnRecordSchema>;

/** `directory/master/NAME`: what members and other masters need to reach a master. */
export const masterRecordSchema = z.object({
  version: z.literal(1),
  name: masterNameSchema,
  /** 1, 2, 3, …; never given again. A master reaches another one's backbone at that one's base port + its own index. */
  index: z.number().int().min(1).max(4_095),
  /** Where its HTTPS API and control sessions are. */
  control: endpointSchema,
  /** Host and UDP ports of its WireGuard interfaces. */
  wireguard: z.object({
    host: hostSchema,
    membersPort: z.number().int().min(1).max(65_535),
    backboneBasePort: z.number().int().min(1).max(65_535),
  }),
  /** Binds the WireGuard keys to the name; readers must check it against the root before they use the record. */
  chain: chainSchema,
  createdAtMs: timeMs,
});
export type MasterRecord = z.infer<typeof masterRecordSchema>;

/** `directory/subset/NAME` */
export const subsetRecordSchema = z.object({
  version: z.literal(1),
  name: subsetNameSchema,
  /** 1, 2, 3, …: which /64 of the VPN's /48; never given again. */
  index: z.number().int().min(1).max(65_535),
  ipv6Block: prefixSchema,
  /** Grown as needed; blocks are added and never moved. */
  ipv4Blocks: z.array(prefixSchema).min(1).max(64),
  /** Who acts for it when nothing has failed. */
  acting: masterNameSchema,
  /** In the order in which they take over its first block; see `core/master-preference`. */
  backups: z.array(masterNameSchema).max(8),
  /** Whose store holds the roll; the directory's own when absent. */
  region: regionNameSchema.optional(),
  createdAtMs: timeMs,
});
export type SubsetRecord = z.infer<typeof subsetRecordSchema>;

/** `directory/region/NAME`: a store for the rolls of some subsets, which leave it for no other. */
export const regionRecordSchema = z.object({
  version: z.literal(1),
  name: regionNameSchema,
  /** As `openStore` takes it; a master may be configured with another way to the same store. */
  store: z.string().min(1).max(2_048),
  createdAtMs: timeMs,
});
export type RegionRecord = z.infer<typeof regionRecordSchema>;

/** `region/identity`, in the region's own store: rolls go into no store that does not say the same. */
export const regionIdentityRecordSchema = z.object({
  version: z.literal(1),
  vpnId: z.string(),
  region: regionNameSchema,
});
export type RegionIdentityRecord = z.infer<typeof regionIdentityRecordSchema>;

/**
 * - `took-over`: its holder had lost the lease. `handed-over`: its holder gave it, asked or stopping.
 * - `returned`: given back to the home master. `started`: nobody had it before.
 */
export const actingChangeSchema = z.enum(['started', 'took-over', 'handed-over', 'returned']);
export type ActingChange = z.infer<typeof actingChangeSchema>;

/**
 * `directory/acting/SUBSET`: who acts for a subset now, for all masters to route by. The lease in
 * the roll decides; this follows it, and only forwards.
 */
export const actingRecordSchema = z.object({
  version: z.literal(1),
  subset: subsetNameSchema,
  master: masterNameSchema,
  /** The revision at which the lease was taken, in the roll's store: a later holder has a greater one. */
  leaseRevision: z.number().int().positive(),
  change: actingChangeSchema,
  sinceMs: timeMs,
});
export type ActingRecord = z.infer<typeof actingRecordSchema>;

/** `directory/drain/MASTER`: it is to act for nothing and carry nothing, while others can. */
export const drainRecordSchema = z.object({
  version: z.literal(1),
  master: masterNameSchema,
  by: z.string().max(128),
  atMs: timeMs,
});
export type DrainRecord = z.infer<typeof drainRecordSchema>;

/**
 * `directory/operator/NAME`: whose key is that operator's. Masters take the certificate of no other
 * key under the name, and none at all once it is revoked.
 */
export const operatorRecordSchema = z.object({
  version: z.literal(1),
  name: operatorNameSchema,
  identityKey: identityKeySchema,
  createdAtMs: timeMs,
  certificateEndsAtMs: timeMs,
  revoked: z.object({ atMs: timeMs, by: z.string().max(128) }).optional(),
});
export type OperatorRecord = z.infer<typeof operatorRecordSchema>;

/** `directory/allocation`: compared and swapped by whoever takes an index or a block, so none is given twice. */
export const allocationRecordSchema = z.object({
  version: z.literal(1),
  nextMasterIndex: z.number().int().min(1),
  nextSubsetIndex: z.number().int().min(1),
  /** How many addresses of the VPN's IPv4 prefix have been handed out to subsets, from its start. */
  ipv4Used: z.number().int().nonnegative(),
});
export type AllocationRecord = z.infer<typeof allocationRecordSchema>;

/** `directory/backbone-key/EPOCH`: the group key among masters. */
/** `roll/SUBSET/key/EPOCH`: the subset key. */
export const groupKeyRecordSchema = z.object({
  version: z.literal(1),
  epoch: epochSchema,
  sealedKey: sealed,
  createdAtMs: timeMs,
});
export type GroupKeyRecord = z.infer<typeof groupKeyRecordSchema>;

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
  joinedAtMs: timeMs,
  /** End of the youngest certificate ever issued to it. */
  certificateEndsAtMs: timeMs,
  /** Other subsets that it proved to be in with the same identity key. */
  alsoIn: z.array(subsetNameSchema).max(64),
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

/** `roll/SUBSET/invite/ID` */
export const inviteRecordSchema = z.object({
  version: z.literal(1),
  id: z.uuid(),
  /** How many members it admits. Never changed: each use is a record of its own. */
  uses: z.number().int().positive(),
  expiresAtMs: timeMs,
  /** When set, the only name that the invite admits. */
  memberName: memberNameSchema.optional(),
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
});
export type InviteUseRecord = z.infer<typeof inviteUseRecordSchema>;

export const auditActionSchema = z.enum([
  'invite-created',
  'invite-revoked',
  'member-joined',
  'member-left',
  'member-evicted',
  'member-banned',
  'member-unbanned',
  'member-expired',
  'member-confirmed',
  'name-released',
  'key-rotated',
  'key-rotated-on-request',
  'block-added',
  'subset-restored',
  'acting-changed',
]);
export type AuditAction = z.infer<typeof auditActionSchema>;

/** `roll/SUBSET/audit/TIME-SERIAL`: written in the same transaction as the change, never changed. */
export const auditRecordSchema = z.object({
  version: z.literal(1),
  atMs: timeMs,
  action: auditActionSchema,
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

/** Reads a stored record. @throws InvalidInputError naming the key and the field. */
export function decodeRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  value: Uint8Array,
): z.infer<S> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(value).toString('utf8'));
  } catch (cause) {
    throw new InvalidInputError(`the record ${key} is not JSON`, { key }, cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new InvalidInputError(`the record ${key} is not valid: ${z.prettifyError(result.error)}`, {
    key,
  });
}

export function encodeRecord(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8');
}
