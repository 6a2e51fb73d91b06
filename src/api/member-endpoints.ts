import { z } from 'zod';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { addressSchema } from '../model/prefix.ts';
import { chainSchema, identityKeySchema } from '../model/records/parts.ts';
import {
  memberKeysSchema,
  memberRecordSchema,
  memberStateSchema,
  moveOrderSchema,
} from '../model/records/roll.ts';
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
