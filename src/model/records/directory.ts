import { z } from 'zod';
import { endpointSchema, hostSchema } from '../endpoint.ts';
import {
  masterNameSchema,
  operatorNameSchema,
  regionNameSchema,
  subsetNameSchema,
  vpnNameSchema,
} from '../names.ts';
import { prefixSchema } from '../prefix.ts';
import { epochSchema, wireguardPublicKeySchema } from '../wireguard-key.ts';
import { chainSchema, identityKeySchema, pem, sealed, timeMs } from './parts.ts';

/* What all masters must know, in the directory. */

export const keyingModeSchema = z.enum(['per-subset', 'shared']);
export type KeyingMode = z.infer<typeof keyingModeSchema>;

/**
 * Where a VPN stands between the two keying modes.
 * - `per-subset`: what passes between members is opened by their masters.
 * - `changing`: all subsets have one key; packets may still go through masters openly, and those who
 *   talk are given sealed tunnels.
 * - `shared`: what passes between members is sealed from one to the other, or does not pass.
 */
export const keyingPhaseSchema = z.enum(['per-subset', 'changing', 'shared']);
export type KeyingPhase = z.infer<typeof keyingPhaseSchema>;

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
  /** UDP, at the host of `control`: where it answers STUN. Absent from one that does not; the master writes it itself. */
  stunPort: z.number().int().min(1).max(65_535).optional(),
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

/** `directory/keying`: the phase of a VPN that has left the keying mode it was made with, or did once. */
export const keyingRecordSchema = z.object({
  version: z.literal(1),
  phase: keyingPhaseSchema,
  by: z.string().max(128),
  atMs: timeMs,
});
export type KeyingRecord = z.infer<typeof keyingRecordSchema>;

/** How many of those who left last are told with a shared key. */
export const maxDeparted = 256;

/** `directory/shared-key`: the key that every subset is to have; compared and swapped by the masters. */
export const sharedKeyRecordSchema = groupKeyRecordSchema.extend({
  /** Members who have left their subsets lately: nobody who has the key may be reached by them. */
  departed: z.array(z.object({ key: wireguardPublicKeySchema, atMs: timeMs })).max(maxDeparted),
});
export type SharedKeyRecord = z.infer<typeof sharedKeyRecordSchema>;

/**
 * In UTF-8: some thousand places and pins. The master that checks a larger one would do nothing else
 * for so long that its tunnels were taken for dead.
 */
export const maxPolicyBytes = 128 * 1024;
export const policyTextSchema = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= maxPolicyBytes, 'expected 128 KiB at most');

/** `directory/placement-policy`: compared and swapped. */
export const placementPolicyRecordSchema = z.object({
  version: z.literal(1),
  /** As the operator wrote it, with its comments. */
  text: policyTextSchema,
  /**
   * What the text says, as the master that has checked it read it: the others read this in a fraction
   * of the time, in which they do nothing else. Absent from records of before.
   */
  written: z.unknown().optional(),
  changedAtMs: timeMs,
  changedBy: z.string().max(128),
});
export type PlacementPolicyRecord = z.infer<typeof placementPolicyRecordSchema>;
