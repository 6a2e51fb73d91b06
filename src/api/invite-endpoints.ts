import { z } from 'zod';
import { memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { identityKeySchema } from '../model/records/parts.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { done, nothing, ofSubset, timeMs } from './endpoint-parts.ts';

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
