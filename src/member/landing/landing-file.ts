import { z } from 'zod';
import { placedSchema } from '../../api/placing-messages.ts';
import { memberNameSchema, subsetNameSchema } from '../../model/names.ts';
import { maxCandidateSubsets } from '../../model/records/roll.ts';
import { tokenTextSchema } from '../../model/token-text.ts';
import { keyPairsSchema } from '../membership-files.ts';
import { StateFile } from '../state-file.ts';

/** A place that a master has promised. */
const givenPlaceSchema = z.object({
  subset: subsetNameSchema,
  claim: placedSchema.shape.claim,
  control: placedSchema.shape.control,
});
export type GivenPlace = z.infer<typeof givenPlaceSchema>;

const landingSchema = z.object({
  version: z.literal(1),
  startedAtMs: z.number().int().nonnegative(),
  token: tokenTextSchema,
  name: memberNameSchema,
  keys: keyPairsSchema,
  /** The last one; absent before the first. */
  place: givenPlaceSchema.optional(),
  /** Where it could not join. */
  declined: z.array(subsetNameSchema).max(maxCandidateSubsets),
});

/**
 * A join whose subset is not known yet. With it, and only with it, the same place is had again after a
 * crash, and what was answered there. Secret: it holds keys.
 */
export type PendingLanding = z.infer<typeof landingSchema>;
export type LandingFile = StateFile<typeof landingSchema>;

export function landingFile(path: string): LandingFile {
  return new StateFile(path, landingSchema);
}
