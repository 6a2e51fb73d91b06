import { z } from 'zod';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { chainSchema, identityKeySchema } from '../model/records/parts.ts';
import { failoverRecordSchema } from '../model/records/roll.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { done, nothing, ofMember, ofSubset } from './endpoint-parts.ts';

/*
 * What operators ask about the masters of a subset changing places, and what those ask each other.
 */

const ofMaster = z.object({ master: masterNameSchema });

/** Progress of `drainMaster`, of which each line is about one subset or about the whole. */
export const drainProgressSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('handed-over'),
    subset: subsetNameSchema,
    to: masterNameSchema,
    afterMs: z.number(),
  }),
  /** Nobody is there to take it; it stays until somebody is. */
  z.object({ type: z.literal('kept'), subset: subsetNameSchema, reason: z.string() }),
  z.object({ type: z.literal('sessions'), left: z.number().int(), afterMs: z.number() }),
  z.object({
    type: z.literal('finished'),
    kept: z.number().int(),
    sessions: z.number().int(),
    afterMs: z.number(),
  }),
]);
export type DrainProgress = z.infer<typeof drainProgressSchema>;

export const drainMaster = defineEndpoint({
  method: 'POST',
  path: '/v1/masters/:master/drain',
  summary:
    'Empties a master: it hands its subsets and their members over, and takes none until it is returned',
  responsible: 'named',
  caller: 'operator',
  reply: 'stream',
  params: ofMaster,
  query: nothing,
  body: z.object({ waitMs: z.number().int().min(0).max(600_000).default(60_000) }),
  response: drainProgressSchema,
});

export const returnMaster = defineEndpoint({
  method: 'POST',
  path: '/v1/masters/:master/return',
  summary: 'Ends a drain, and has the master take its own subsets back now',
  responsible: 'named',
  caller: 'operator',
  reply: 'one',
  params: ofMaster,
  query: nothing,
  body: nothing,
  response: z.object({
    subsets: z.array(
      z.object({ subset: subsetNameSchema, returned: z.boolean(), reason: z.string().optional() }),
    ),
  }),
});

export const listFailovers = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/failovers',
  summary: 'Every change of the acting master, newest first',
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(20) }),
  body: nothing,
  response: z.object({ failovers: z.array(failoverRecordSchema) }),
});

/** Between the masters of one subset; anybody else is refused. */
export const handOver = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/handover',
  summary: 'Asks the acting master to give the subset to the caller, which follows its roll',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: z.object({ change: z.enum(['handed-over', 'returned']) }),
  response: done,
});

export const getReadiness = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/readiness',
  summary: 'Whether a backup follows the roll closely enough to take the subset over now',
  responsible: 'named',
  caller: 'master',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: nothing,
  response: z.object({ ready: z.boolean(), reason: z.string().optional() }),
});

export const renewForBackup = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/renewal',
  summary: 'A younger certificate for a member whose session is with the calling backup',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofMember,
  query: nothing,
  /** SubjectPublicKeyInfo, DER in base64, as the member's TLS handshake proved it to the caller. */
  body: z.object({ publicKey: z.base64().max(1_024) }),
  response: z.object({ chain: chainSchema }),
});

export const leaveForBackup = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/members/:name/departure',
  summary: 'A member whose session is with the calling backup leaves',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofMember,
  query: nothing,
  body: z.object({ identityKey: identityKeySchema }),
  response: done,
});

export const acknowledgeForBackup = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/acknowledgements',
  summary: 'What members whose sessions are with the calling backup have applied',
  responsible: 'acting',
  caller: 'master',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: z.object({
    members: z.array(z.object({ name: memberNameSchema, epoch: epochSchema })).max(1_000),
  }),
  response: done,
});
