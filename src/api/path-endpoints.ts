import { z } from 'zod';
import { masterNameSchema } from '../model/names.ts';
import { directPathSchema } from './direct-messages.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, ofMember } from './endpoint-parts.ts';

/*
 * What operators ask about the ways that packets of members take.
 */

export const memberPathsSchema = z.object({
  /** The one that answers, with which the member has its session; `through` whom the rest of its traffic goes is its own choice. */
  master: masterNameSchema,
  /** Whether the member takes direct paths at all: its software may be older than they are. */
  takesDirectPaths: z.boolean(),
  /** As the member says; a moment ago, or when it last said anything where `isFresh` is false. */
  direct: z.array(directPathSchema),
  isFresh: z.boolean(),
});
export type MemberPaths = z.infer<typeof memberPathsSchema>;

export const getMemberPaths = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/members/:name/paths',
  summary:
    "A member's direct paths to others, asked of the member itself by the master that has its session",
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: nothing,
  response: memberPathsSchema,
});
