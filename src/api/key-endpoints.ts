import { z } from 'zod';
import { masterNameSchema, subsetNameSchema } from '../model/names.ts';
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
  createdAtMs: timeMs,
  /** When the master makes the next one by itself, unless a departure or an operator does before. */
  rotatesAtMs: timeMs,
  /** The active ones, who all have to apply it. */
  members: z.number().int(),
  /** Who of them has not told yet that it has, in the order of names. */
  pending: z.array(pendingMemberSchema),
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
