import { z } from 'zod';
import { endpointSchema } from '../model/endpoint.ts';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { maxCandidateSubsets, memberKeysSchema } from '../model/records/roll.ts';
import { tokenTextSchema } from '../model/token-text.ts';
import { measurementsSchema } from './measuring-messages.ts';

/*
 * What a newcomer says whose invite leaves the subset to placement. The first two go to the acting
 * master of the invite's home subset, each on a connection of its own, the third to that of the subset
 * where it is placed.
 */

/** Asks whom to measure; answered with `candidates`. */
export const findPlaceSchema = z.object({ type: z.literal('find-place'), token: tokenTextSchema });
export type FindPlaceMessage = z.infer<typeof findPlaceSchema>;

/** Asks for a place; answered with `placed`. */
export const askPlaceSchema = z.object({
  type: z.literal('ask-place'),
  token: tokenTextSchema,
  /** As in `join`. */
  name: memberNameSchema,
  /** What it has measured. */
  masters: measurementsSchema.shape.masters,
  /** Where it could not join, or is already. */
  declined: z.array(subsetNameSchema).max(maxCandidateSubsets),
});
export type AskPlaceMessage = z.infer<typeof askPlaceSchema>;

/** Joins where it is placed; answered as `join` is. */
export const landSchema = z.object({
  type: z.literal('land'),
  claim: tokenTextSchema,
  name: memberNameSchema,
  keys: memberKeysSchema,
});
export type LandMessage = z.infer<typeof landSchema>;

const scoredSchema = z.object({
  subset: subsetNameSchema,
  /** Who acts for it. */
  master: masterNameSchema,
  /** In the policy's points; absent from a place that was given before and is only given again. */
  score: z.number().nonnegative().optional(),
});

export const placedSchema = scoredSchema.extend({
  type: z.literal('placed'),
  /** To be presented there, by this node only. */
  claim: tokenTextSchema,
  /** The subset's masters, the acting one first. */
  control: z
    .array(z.object({ master: masterNameSchema, endpoint: endpointSchema }))
    .min(1)
    .max(9),
  /** The second best. */
  next: scoredSchema.optional(),
});
export type PlacedMessage = z.infer<typeof placedSchema>;
