import { z } from 'zod';
import { masterNameSchema } from '../model/names.ts';
import { addressSchema } from '../model/prefix.ts';
import { chainSchema } from '../model/records/parts.ts';
import {
  candidateSchema,
  directContactSchema,
  directPathSchema,
  introduceSchema,
} from './direct-messages.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, ofMember, ofSubset } from './endpoint-parts.ts';

/*
 * What operators ask about the ways that packets of members take, and masters to bring members together.
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

/** How a member's direct interface is reached, as its master knows it. */
export const memberReachSchema = z.object({
  /** Where its handshake with that master's rendezvous came from; absent when none did. */
  observed: candidateSchema.optional(),
  addresses: directContactSchema.shape.addresses,
  port: directContactSchema.shape.port,
});
export type MemberReach = z.infer<typeof memberReachSchema>;

/** A member as other members are told of it; its name and its key are in its certificate. */
export const memberPresenceSchema = z.object({
  chain: chainSchema,
  ipv4: addressSchema,
  ipv6: addressSchema,
  /** Absent of a member that seals nothing. */
  sealedPort: introduceSchema.shape.sealedPort,
  /** For a direct path: asked for with it, and then in the answer of a master that makes such. */
  direct: memberReachSchema.optional(),
});
export type MemberPresence = z.infer<typeof memberPresenceSchema>;

const introductionRequestSchema = z.object({
  address: addressSchema,
  member: memberPresenceSchema,
});
export type IntroductionRequest = z.infer<typeof introductionRequestSchema>;

export const introduceMember = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/introductions',
  summary:
    'Introduces a member of the calling master to the one at an address, for a sealed tunnel or a direct path, and says who that is',
  responsible: 'named',
  caller: 'master',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: introductionRequestSchema,
  response: memberPresenceSchema,
});
