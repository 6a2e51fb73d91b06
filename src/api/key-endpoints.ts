import { z } from 'zod';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { keyingPhaseSchema } from '../model/records/directory.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { acknowledgementWaitMs, nothing, ofSubset, timeMs } from './endpoint-parts.ts';
import {
  acknowledgedSchema,
  finishedSchema,
  newKeyShape,
  pendingMemberSchema,
} from './key-progress.ts';

/*
 * What operators ask about the keys of subsets. No reply has a key in it.
 */

export const keyStatusSchema = z.object({
  subset: subsetNameSchema,
  /** Who acts for it, and answers. */
  master: masterNameSchema,
  epoch: epochSchema,
  /** Whether it is the one key that all subsets of the VPN are to have. */
  shared: z.boolean().default(false),
  createdAtMs: timeMs,
  /** When the master makes the next one by itself, unless a departure or an operator does before. */
  rotatesAtMs: timeMs,
  /** The active ones, who all have to apply it. */
  members: z.number().int(),
  /** Who of them has not told yet that it has, in the order of names. */
  pending: z.array(pendingMemberSchema),
  /**
   * Masters of the subset whose certificates do not bind all of its address blocks, so that its members
   * could not prove theirs; absent from a master of an earlier version, which binds none.
   */
  unboundMasters: z.array(masterNameSchema).optional(),
  /** Connected members whose certificates do not prove their addresses, where they have to. */
  unprovedMembers: z.array(memberNameSchema).optional(),
});
export type KeyStatus = z.infer<typeof keyStatusSchema>;

export const getKeyStatus = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/key',
  summary: "How old the subset's key is, and who has not applied it yet",
  responsible: 'acting',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: nothing,
  body: nothing,
  response: keyStatusSchema,
});

/** A line of the stream that answers a rotation. */
export const rotationProgressSchema = z.discriminatedUnion('type', [
  /** It is durable. */
  z.object({
    type: z.literal('rotated'),
    ...newKeyShape,
    /** Whether the master's own WireGuard has the key; false when its host refused, which its log explains. */
    masterHasApplied: z.boolean(),
  }),
  acknowledgedSchema,
  finishedSchema,
]);
export type RotationProgress = z.infer<typeof rotationProgressSchema>;

export const rotateKey = defineEndpoint({
  method: 'POST',
  path: '/v1/subsets/:subset/key/rotation',
  summary: "Makes the subset's next key now and streams who has applied it",
  responsible: 'acting',
  caller: 'operator',
  reply: 'stream',
  params: ofSubset,
  query: nothing,
  body: z.object({
    /** How long to wait for acknowledgements. */
    waitMs: acknowledgementWaitMs,
  }),
  response: rotationProgressSchema,
});

const keyingSchema = z.object({ phase: keyingPhaseSchema });

export const changeKeying = defineEndpoint({
  method: 'POST',
  path: '/v1/keying',
  summary:
    'Takes the VPN one step from one keying mode to the other, by way of "changing"; members follow by themselves',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: keyingSchema,
  response: keyingSchema,
});

const subsetBindingSchema = z.object({
  subset: subsetNameSchema,
  /** Those of its masters whose certificates do not bind all of its address blocks. */
  masters: z.array(masterNameSchema),
});
export type SubsetBinding = z.infer<typeof subsetBindingSchema>;

export const getUnboundMasters = defineEndpoint({
  method: 'GET',
  path: '/v1/unbound-masters',
  summary:
    'Which masters have certificates by which not all addresses of their subsets could be proved, in the whole VPN',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: z.object({
    /** Subsets that have such masters. */
    unbound: z.array(subsetBindingSchema),
    /** Subsets of which it is not known, because nobody who acts for them has answered. */
    unknown: z.array(subsetNameSchema),
  }),
});

/** Between any two masters. */
export const getUnboundHere = defineEndpoint({
  method: 'GET',
  path: '/v1/acting/unbound-masters',
  summary: 'The same, of the subsets that the master which is asked acts for',
  responsible: 'named',
  caller: 'master',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: z.object({ subsets: z.array(subsetBindingSchema) }),
});
