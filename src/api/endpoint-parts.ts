import { z } from 'zod';
import { memberNameSchema, subsetNameSchema } from '../model/names.ts';

/*
 * What several endpoints are made of.
 */

export const nothing = z.object({}).strict();
/** The reply to what is only done; that of a later version may say more. */
export const done = z.object({});
/** Milliseconds since the Unix epoch. */
export const timeMs = z.number().int().nonnegative();
export const ofSubset = z.object({ subset: subsetNameSchema });
export const ofMember = z.object({ subset: subsetNameSchema, name: memberNameSchema });
/** How long a stream goes on for acknowledgements. */
export const acknowledgementWaitMs = z.number().int().min(0).max(600_000).default(10_000);
