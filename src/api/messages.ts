import { z } from 'zod';
import { endpointSchema, hostSchema } from '../model/endpoint.ts';
import {
  masterNameSchema,
  memberNameSchema,
  subsetNameSchema,
  vpnNameSchema,
} from '../model/names.ts';
import { addressSchema, prefixSchema } from '../model/prefix.ts';
import { keyingModeSchema, keyingPhaseSchema } from '../model/records/directory.ts';
import { chainSchema } from '../model/records/parts.ts';
import { memberKeysSchema } from '../model/records/roll.ts';
import { tokenTextSchema } from '../model/token-text.ts';
import { epochSchema, groupKeySchema } from '../model/wireguard-key.ts';
import {
  directContactSchema,
  introduceSchema,
  meetSchema,
  pathsSchema,
  reportPathsSchema,
  seekSchema,
  withdrawSchema,
} from './direct-messages.ts';
import { candidatesSchema, measurementsSchema } from './measuring-messages.ts';
import { movedSchema, moveSchema, notMovedSchema } from './move-messages.ts';
import { askPlaceSchema, findPlaceSchema, landSchema, placedSchema } from './placing-messages.ts';

/*
 * The messages of a control session between a member and its master: one JSON object a WebSocket
 * text frame, one schema each, used by both ends. docs/protocol.md says who sends what when.
 */

/**
 * The wire version, offered as the WebSocket subprotocol.
 * 1 (2026-11-23): join, resume by state, acknowledgements, renewal, several masters.
 */
export const sessionProtocol = 'hanse.v1';
export const sessionPath = '/v1/session';

/** A master needs no longer message than a report of all paths; a member none longer than a snapshot with its chains. */
export const maxMemberMessageBytes = 64 * 1024;
export const maxMasterMessageBytes = 256 * 1024;

/** A store revision. Views only move forward. */
const revisionSchema = z.number().int().nonnegative();

/** Milliseconds. */
const spreadMsSchema = z.number().int().min(0).max(120_000);

const joinSchema = z.object({
  type: z.literal('join'),
  token: tokenTextSchema,
  /** What it would like to be called; an invite that names somebody overrides it. */
  name: memberNameSchema,
  keys: memberKeysSchema,
});

const helloSchema = z.object({
  type: z.literal('hello'),
  /** The newest view that the member has applied, and the epoch of its key; 0 for none. */
  appliedRevision: revisionSchema,
  appliedEpoch: z.union([epochSchema, z.literal(0)]),
  /** Absent from a member that takes no direct paths. */
  direct: directContactSchema.optional(),
  /** Whether it takes `candidates`. */
  measures: z.literal(true).optional(),
  /** Whether it takes `move`. */
  moves: z.literal(true).optional(),
  /** Whether it takes `spread`. */
  spreads: z.literal(true).optional(),
});

/** The view with this revision, whose key has this epoch, is applied: on disk and in WireGuard. */
const acknowledgeSchema = z.object({
  type: z.literal('acknowledge'),
  revision: revisionSchema,
  epoch: epochSchema,
});

/** Asks for a younger certificate for the same keys. */
const renewSchema = z.object({ type: z.literal('renew') });
const leaveSchema = z.object({ type: z.literal('leave') });

export const memberMessageSchema = z.discriminatedUnion('type', [
  joinSchema,
  helloSchema,
  acknowledgeSchema,
  renewSchema,
  leaveSchema,
  pathsSchema,
  seekSchema,
  measurementsSchema,
  movedSchema,
  notMovedSchema,
  findPlaceSchema,
  askPlaceSchema,
  landSchema,
]);
export type MemberMessage = z.infer<typeof memberMessageSchema>;
export type JoinMessage = z.infer<typeof joinSchema>;
export type HelloMessage = z.infer<typeof helloSchema>;

/** How to reach a master; the chain binds its WireGuard keys to its name and must be checked first. */
export const masterContactSchema = z.object({
  name: masterNameSchema,
  control: endpointSchema,
  wireguard: z.object({
    host: hostSchema,
    port: z.number().int().min(1).max(65_535),
    /** Where the master learns how others reach a member's direct interface; absent from one that introduces nobody. */
    rendezvousPort: z.number().int().min(1).max(65_535).optional(),
  }),
  chain: chainSchema,
});
export type MasterContact = z.infer<typeof masterContactSchema>;

export const groupKeyViewSchema = z.object({ epoch: epochSchema, groupKey: groupKeySchema });
export type GroupKeyView = z.infer<typeof groupKeyViewSchema>;

/** Who the member is in the VPN; fixed from its join to its end. */
export const placeSchema = z.object({
  vpn: z.object({
    name: vpnNameSchema,
    id: z.string().regex(/^[0-9a-f]{8}$/),
    keying: keyingModeSchema,
    prefixes: z.array(prefixSchema).min(1).max(8),
  }),
  subset: subsetNameSchema,
  name: memberNameSchema,
  ipv4: addressSchema,
  ipv6: addressSchema,
});
export type Place = z.infer<typeof placeSchema>;

/** All that a member must know to take part, as of one revision. The same for a whole subset. */
export const viewSchema = z.object({
  revision: revisionSchema,
  /** Whoever may change the roll now. */
  acting: masterContactSchema,
  /** All others that serve the subset; a home master that has been replaced is among them. */
  backups: z.array(masterContactSchema).max(8),
  /**
   * In which order to use them: members of the subset's address block N go by order N modulo the
   * number of orders (`core/master-preference`). Each has every master above once.
   */
  orders: z.array(z.array(masterNameSchema).min(1).max(9)).min(1).max(8),
  /** Members that have lost their master turn to the next one within this time, each at a moment of its own. */
  spreadMs: spreadMsSchema,
  key: groupKeyViewSchema,
  /** Whether masters may read what passes between members; a master that does not say so knows one mode only. */
  keying: keyingPhaseSchema.default('per-subset'),
});
export type View = z.infer<typeof viewSchema>;

const admittedSchema = z.object({
  type: z.literal('admitted'),
  place: placeSchema,
  chain: chainSchema,
  /** The VPN's root, whose fingerprint the token carried. */
  rootCertificate: z.string().max(16_384),
  view: viewSchema,
});

/** The whole view; the answer to `hello` when the member's is not the newest. */
const viewMessageSchema = z.object({ type: z.literal('view'), view: viewSchema });

/** A new subset key, and nothing else changed since the view before. */
const keyChangedSchema = z.object({
  type: z.literal('key-changed'),
  /** The view that the change is made to; a member that has another one says `hello` again. */
  previousRevision: revisionSchema,
  revision: revisionSchema,
  key: groupKeyViewSchema,
});

/** How long members spread over when they lose their master, in place of what the view says; its revision stays. */
const spreadSchema = z.object({ type: z.literal('spread'), spreadMs: spreadMsSchema });

const renewedSchema = z.object({ type: z.literal('renewed'), chain: chainSchema });

export const endReasonSchema = z.enum(['left', 'evicted', 'banned', 'expired']);
export type EndReason = z.infer<typeof endReasonSchema>;

/** The membership is over; the master closes the session after it. */
const endedSchema = z.object({ type: z.literal('ended'), reason: endReasonSchema });

export const refusalCodeSchema = z.enum([
  'bad-token',
  'token-expired',
  'token-used',
  'name-taken',
  'key-taken',
  'banned',
  'suspended',
  'subset-full',
  'master-full',
  'claim-refused',
  'claim-expired',
  'no-place',
  'not-a-member',
  'wrong-master',
  'bad-message',
  'too-many',
  'unavailable',
]);
export type RefusalCode = z.infer<typeof refusalCodeSchema>;

/** The master will not go on; it closes the session after it. */
const refusedSchema = z.object({
  type: z.literal('refused'),
  code: refusalCodeSchema,
  message: z.string().max(1_024),
  /** Whether trying again later, unchanged, can succeed. */
  retryable: z.boolean(),
});

export const masterMessageSchema = z.discriminatedUnion('type', [
  admittedSchema,
  viewMessageSchema,
  keyChangedSchema,
  spreadSchema,
  renewedSchema,
  endedSchema,
  refusedSchema,
  meetSchema,
  introduceSchema,
  withdrawSchema,
  reportPathsSchema,
  candidatesSchema,
  moveSchema,
  placedSchema,
]);
export type MasterMessage = z.infer<typeof masterMessageSchema>;
export type AdmittedMessage = z.infer<typeof admittedSchema>;
export type RefusedMessage = z.infer<typeof refusedSchema>;
