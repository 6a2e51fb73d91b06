import { z } from 'zod';
import { longestGraceMs } from '../model/grace-period.ts';
import { identityKeySchema } from '../model/records/parts.ts';
import { tokenTextSchema } from '../model/token-text.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { done, nothing, ofMember, timeMs } from './endpoint-parts.ts';
import { movedSchema, notMovedSchema } from './move-messages.ts';

/*
 * Moving a member to another subset: the operator's order, and what a backup passes on.
 */

export const orderMove = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/move',
  summary: 'Orders a member to move to the subset of an invite that was made for it alone',
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: z.object({
    token: tokenTextSchema,
    /** How long the old addresses work once the new ones do. */
    graceMs: timeMs.max(longestGraceMs),
  }),
  response: done,
});

export const reportMove = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/move-report',
  summary: 'What has become of a move, of a member whose session is with the calling backup',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: z.object({
    identityKey: identityKeySchema,
    report: z.discriminatedUnion('type', [movedSchema, notMovedSchema]),
  }),
  response: done,
});
