import { z } from 'zod';
import {
  masterNameSchema,
  memberNameSchema,
  regionNameSchema,
  subsetNameSchema,
} from '../model/names.ts';
import { addressSchema, prefixSchema } from '../model/prefix.ts';
import { auditRecordSchema, vpnAuditRecordSchema } from '../model/records/audit.ts';
import {
  actingChangeSchema,
  keyingPhaseSchema,
  lifetimesSchema,
} from '../model/records/directory.ts';
import { chainSchema, identityKeySchema } from '../model/records/parts.ts';
import {
  memberKeysSchema,
  memberRecordSchema,
  memberStateSchema,
  moveOrderSchema,
} from '../model/records/roll.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import {
  acknowledgementWaitMs,
  done,
  nothing,
  ofMember,
  ofSubset,
  timeMs,
} from './endpoint-parts.ts';
import { acknowledgedSchema, finishedSchema, newKeyShape } from './key-progress.ts';
import { measuredViewSchema } from './measured-view.ts';

/** The directory as a client needs it. */
export const directoryViewSchema = z.object({
  vpn: z.object({
    name: z.string(),
    id: z.string(),
    prefixes: z.array(prefixSchema),
    /** `changing`: from one mode to the other. */
    keying: keyingPhaseSchema,
    lifetimes: lifetimesSchema,
    createdAtMs: timeMs,
  }),
  /** The age of the key among masters; absent where the store was read without them. */
  backboneKey: z.object({ epoch: epochSchema, createdAtMs: timeMs }).optional(),
  masters: z.array(
    z.object({
      name: masterNameSchema,
      control: z.string(),
      /** Since when it is being emptied, or is empty. */
      drainedSinceMs: timeMs.optional(),
    }),
  ),
  subsets: z.array(
    z.object({
      name: subsetNameSchema,
      /** Who acts for it when nothing has failed. */
      home: masterNameSchema,
      /** Who acts for it now; the home master until anybody has ever acted. */
      acting: masterNameSchema,
      actingSinceMs: timeMs.optional(),
      /** How it came to act. */
      change: actingChangeSchema.optional(),
      backups: z.array(masterNameSchema),
      /** Each with the order in which masters take it over. */
      blocks: z.array(
        z.object({ prefixes: z.array(prefixSchema), order: z.array(masterNameSchema) }),
      ),
      region: regionNameSchema.optional(),
    }),
  ),
});
export type DirectoryView = z.infer<typeof directoryViewSchema>;

export const getDirectory = defineEndpoint({
  method: 'GET',
  path: '/v1/directory',
  summary: 'The masters, the subsets and who acts for which',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: directoryViewSchema,
});

/** Control messages and store events that a master has received, since it started. */
export const receivedCountSchema = z.object({
  /** `member:SUBSET`, `operator:NAME`, `master:NAME`, `store`, or `unknown` before anyone is authenticated. */
  sender: z.string(),
  kind: z.string(),
  count: z.number().int().nonnegative(),
});

export const masterStatusSchema = z.object({
  master: masterNameSchema,
  software: z.string(),
  startedAtMs: timeMs,
  wireguard: z.object({ backend: z.enum(['kernel', 'wireguard-go']), version: z.string() }),
  store: z.string(),
  /** Prefixes that it watches in the store; only the directory and its own subsets' rolls. */
  watches: z.array(z.string()),
  subsets: z.array(
    z.object({
      name: subsetNameSchema,
      /** `backup`: it follows the roll and serves members that cannot use another master. */
      role: z.enum(['acting', 'backup']),
      epoch: epochSchema.optional(),
      keyCreatedAtMs: timeMs.optional(),
      members: z.number().int(),
      /** Came back with a restored backup and wait for an operator's word. */
      suspended: z.number().int().default(0),
      connected: z.number().int(),
    }),
  ),
  masters: z.array(
    z.object({
      name: masterNameSchema,
      /** Age of the last WireGuard handshake; absent when there was none. */
      handshakeAgeMs: z.number().optional(),
      /** Whether packets come and go; absent before the tunnel was tried. */
      isAlive: z.boolean().optional(),
      /** Since when it is so. */
      sinceMs: timeMs.optional(),
    }),
  ),
  received: z.array(receivedCountSchema),
  /** Requests, joins and sessions that were refused, by code. */
  refused: z.array(z.object({ code: z.string(), count: z.number().int() })),
});
export type MasterStatus = z.infer<typeof masterStatusSchema>;

export const getStatus = defineEndpoint({
  method: 'GET',
  path: '/v1/status',
  summary: 'How this one master is doing',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: masterStatusSchema,
});

/** Ninety days: an invite is not meant to be a standing door. */
const longestInviteMs = 90 * 24 * 3_600_000;

export const createInvite = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/invites',
  summary: 'Makes a token with which new members join the subset',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: z.object({
    uses: z.number().int().min(1).max(1_000_000).default(1),
    lifetimeMs: z
      .number()
      .int()
      .min(1_000)
      .max(longestInviteMs)
      .default(24 * 3_600_000),
    /** The only name that it admits. */
    memberName: memberNameSchema.optional(),
    /** The only node that it admits. */
    identityKey: identityKeySchema.optional(),
    /** Of a node that moves, and is called so already: as its member's view has it. */
    isNamedByInvite: z.literal(true).optional(),
  }),
  response: z.object({
    id: z.uuid(),
    token: z.string(),
    expiresAtMs: timeMs,
    uses: z.number().int(),
    /** The one that was asked for; absent from a master that knows no such invites, and admits anybody. */
    identityKey: identityKeySchema.optional(),
  }),
});

export const inviteViewSchema = z.object({
  id: z.uuid(),
  uses: z.number().int(),
  used: z.number().int(),
  expiresAtMs: timeMs,
  memberName: memberNameSchema.optional(),
  identityKey: identityKeySchema.optional(),
  /** The home subset of an invite that placement decides. */
  placedBy: subsetNameSchema.optional(),
  /** At the home subset: where newcomers may be placed. */
  candidates: z.array(subsetNameSchema).optional(),
  createdBy: z.string(),
});
export type InviteView = z.infer<typeof inviteViewSchema>;

export const listInvites = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/invites',
  summary: 'The invites that can still be used, or could until lately',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: nothing,
  response: z.object({ invites: z.array(inviteViewSchema) }),
});

export const revokeInvite = defineEndpoint({
  method: 'DELETE',
  path: '/v1/subsets/:subset/invites/:id',
  summary: 'Makes an invite useless from now on',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: z.object({ subset: subsetNameSchema, id: z.uuid() }),
  query: nothing,
  body: nothing,
  response: done,
});

export const memberViewSchema = z.object({
  name: memberNameSchema,
  subset: subsetNameSchema,
  state: memberStateSchema,
  ipv4: addressSchema,
  ipv6: addressSchema,
  identityKey: identityKeySchema,
  keys: memberKeysSchema,
  /** The name is an operator's; else it is the member's own word, or the master too old to know. */
  isNamedByInvite: z.literal(true).optional(),
  joinedAtMs: timeMs,
  certificateEndsAtMs: timeMs,
  alsoIn: z.array(subsetNameSchema),
  moving: moveOrderSchema.omit({ token: true }).optional(),
  movedTo: memberRecordSchema.shape.movedTo,
  endedAtMs: timeMs.optional(),
  reusableAtMs: timeMs.optional(),
  acting: masterNameSchema,
  backups: z.array(masterNameSchema),
  /** The order in which it uses them, which depends on its address block. */
  order: z.array(masterNameSchema),
  /** The control session with the master that answers, when there is one. */
  session: z
    .object({
      sinceMs: timeMs,
      remote: z.string(),
      behindByChanges: z.boolean(),
      /** Members that it talks to directly, as it said last. */
      directTo: z.array(memberNameSchema).default([]),
    })
    .optional(),
  /** What WireGuard says of it. */
  tunnel: z
    .object({
      endpoint: z.string().optional(),
      handshakeAgeMs: z.number().optional(),
      receivedBytes: z.number(),
      sentBytes: z.number(),
    })
    .optional(),
  /** Of a member's tunnel to the master that acts for it and answers: both ways, since that began to count. */
  traffic: z
    .object({ bytes: z.number().nonnegative(), overMs: z.number().nonnegative() })
    .optional(),
  /** Only of one member that is shown by itself, from the master that has its session. */
  measured: measuredViewSchema.optional(),
});
export type MemberView = z.infer<typeof memberViewSchema>;

export const memberSelectionSchema = z.enum(['active', 'suspended', 'current', 'all']);
export type MemberSelection = z.infer<typeof memberSelectionSchema>;

export const listMembers = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/members',
  summary: "The subset's roll, page by page, in the order of names",
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: z.object({
    /**
     * `active` unless said. `current`: active or suspended. `all` shows those whose names are not
     * yet free again too.
     */
    state: memberSelectionSchema.default('active'),
    after: memberNameSchema.optional(),
    limit: z.coerce.number().int().min(1).max(1_000).default(200),
  }),
  body: nothing,
  response: z.object({
    members: z.array(memberViewSchema),
    /** Pass as `after` for the next page; absent on the last. */
    next: memberNameSchema.optional(),
    total: z.number().int(),
    /** How many count against capacities, in whatever state: each once, in the subset where it is going. */
    counted: z.number().int().optional(),
  }),
});

export const getMember = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/members/:name',
  summary: 'One member',
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: nothing,
  response: memberViewSchema,
});

/** A line of the stream that answers a removal. */
export const removalProgressSchema = z.discriminatedUnion('type', [
  /** It is durable. The key is for the others, whom the numbers count. */
  z.object({
    type: z.literal('removed'),
    ...newKeyShape,
    member: memberNameSchema,
    /** Whether the master has taken the member's tunnel down; false when its host refused, which its log explains. */
    tunnelIsDown: z.boolean(),
    alsoIn: z.array(subsetNameSchema),
  }),
  acknowledgedSchema,
  finishedSchema,
]);
export type RemovalProgress = z.infer<typeof removalProgressSchema>;

export const removeMember = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/removal',
  summary: 'Evicts or bans a member and streams who has applied it',
  responsible: 'acting',
  caller: 'operator',
  reply: 'stream',
  params: ofMember,
  query: nothing,
  body: z.object({
    kind: z.enum(['evict', 'ban']),
    /** How long to wait for acknowledgements. */
    waitMs: acknowledgementWaitMs,
  }),
  response: removalProgressSchema,
});

export const confirmMember = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/confirmation',
  summary: 'Lets a member in again that a restored backup has brought back',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: nothing,
  response: done,
});

export const confirmMembers = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/confirmation',
  summary: 'Lets all members in again that a restored backup has brought back',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: nothing,
  response: z.object({ members: z.array(memberNameSchema) }),
});

export const unbanMember = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/unban',
  summary: 'Lets a banned identity join again',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: nothing,
  response: done,
});

export const listAudit = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/audit',
  summary: 'Every membership change, newest first',
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
  body: nothing,
  response: z.object({ entries: z.array(auditRecordSchema) }),
});

export const listVpnAudit = defineEndpoint({
  method: 'GET',
  path: '/v1/audit',
  summary: 'What operators have changed for the whole VPN, newest first',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
  body: nothing,
  response: z.object({ entries: z.array(vpnAuditRecordSchema) }),
});

/** Something that happened at this master just now. */
export const liveEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('membership'), entry: auditRecordSchema }),
  z.object({
    type: z.literal('session'),
    atMs: timeMs,
    subset: subsetNameSchema,
    member: memberNameSchema,
    change: z.enum(['connected', 'disconnected']),
    reason: z.string().optional(),
  }),
  z.object({ type: z.literal('refusal'), atMs: timeMs, code: z.string(), message: z.string() }),
]);
export type LiveEvent = z.infer<typeof liveEventSchema>;

export const watchEvents = defineEndpoint({
  method: 'GET',
  path: '/v1/events',
  summary: 'What happens at this master, as it happens',
  responsible: 'any',
  caller: 'operator',
  reply: 'stream',
  params: nothing,
  query: nothing,
  body: nothing,
  response: liveEventSchema,
});

export const recordAlsoIn = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/also-in',
  summary: 'Proves by a certificate that a member is in another subset too',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: z.object({ chain: chainSchema }),
  response: done,
});

/** What every failed request is answered with (in the manner of RFC 9457). */
export const problemSchema = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  fields: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
