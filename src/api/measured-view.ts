import { z } from 'zod';
import { masterMeasurementSchema } from './measuring-messages.ts';

/** `core/measuring/report-check` says what they mean. */
const reportVerdictSchema = z.enum(['agrees', 'too-near', 'too-far', 'unknown']);

/** How well a member is connected: what it says, and what the master with its session sees. */
export const measuredViewSchema = z.object({
  /** What it said last; absent before it has said anything. */
  report: z
    .object({ ageMs: z.number().nonnegative(), masters: z.array(masterMeasurementSchema) })
    .optional(),
  /** The session's round trips as this master measured them lately: the least and the median. */
  session: z.object({ leastMs: z.number(), medianMs: z.number() }).optional(),
  /** Whether what it says of this master agrees with that. */
  verdict: reportVerdictSchema,
  /** It has not for two reports in a row. */
  isAlert: z.boolean(),
  /** Of the address that its session comes from, where the master has a database; empty where that knows nothing. */
  place: z
    .object({
      /** ISO 3166-1 alpha-2. */
      country: z.string().optional(),
      /** Degrees of WGS 84. */
      position: z.object({ latitude: z.number(), longitude: z.number() }).optional(),
    })
    .optional(),
  /** Number of the autonomous system of that address. */
  system: z.number().int().optional(),
});
export type MeasuredView = z.infer<typeof measuredViewSchema>;
