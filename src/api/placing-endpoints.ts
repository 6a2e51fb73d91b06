import { z } from 'zod';
import { memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { identityKeySchema } from '../model/records/parts.ts';
import { maxCandidateSubsets } from '../model/records/roll.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, ofSubset, timeMs } from './endpoint-parts.ts';
import { createInvite } from './invite-endpoints.ts';

/*
 * Invites that leave the subset to placement: one record in each of their subsets, all with one id.
 */

export const createPlacedInvite = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/placed-invites',
  summary:
    'Makes the part of an invite for several subsets that is in this one; at its home, the token',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: createInvite.body.extend({
    id: z.uuid(),
    /** Whose master places newcomers, and counts the uses. */
    home: subsetNameSchema,
    /** Where newcomers may be placed. */
    candidates: z.array(subsetNameSchema).min(1).max(maxCandidateSubsets),
  }),
  response: z.object({
    id: z.uuid(),
    expiresAtMs: timeMs,
    uses: z.number().int(),
    /** Of the home subset. */
    token: z.string().optional(),
  }),
});

export const releasePlace = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/placed-invites/:id/release',
  summary:
    'Takes a place back that the home subset of an invite has given, unless somebody has joined by it',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: z.object({ subset: subsetNameSchema, id: z.uuid() }),
  query: nothing,
  body: z.object({
    use: z.number().int().nonnegative(),
    turn: z.number().int().positive(),
    identityKey: identityKeySchema,
    member: memberNameSchema,
  }),
  response: z.object({ result: z.enum(['released', 'taken']) }),
});
