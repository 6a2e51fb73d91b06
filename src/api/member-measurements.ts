import { z } from 'zod';
import { timeMs } from './endpoint-parts.ts';
import { masterMeasurementSchema } from './measuring-messages.ts';
import { defineLocal, membershipNameSchema } from './member-local.ts';

/*
 * What a member's daemon says on its local socket of how well it is connected to masters.
 */

export const membershipMeasurementsSchema = z.object({
  membership: membershipNameSchema,
  /** Every master that its own one has told it of. */
  masters: z.array(
    masterMeasurementSchema.extend({
      /** Its control port. */
      endpoint: z.string(),
      /** What went wrong last, for people. */
      problem: z.string().optional(),
    }),
  ),
  /** The end of the last round; absent before the first. */
  lastRoundAtMs: timeMs.optional(),
  /** The beginning of the next one; absent while there is nothing to measure. */
  nextRoundAtMs: timeMs.optional(),
  /** What probes may still cost now; it grows back over a day. */
  leftBytes: z.number().int().nonnegative(),
  /** The last round left something out for want of budget: those figures are older. */
  isLimited: z.boolean(),
});
export type MembershipMeasurements = z.infer<typeof membershipMeasurementsSchema>;

const measurementsReplySchema = z.object({ memberships: z.array(membershipMeasurementsSchema) });
export type MeasurementsReply = z.infer<typeof measurementsReplySchema>;

export const localMeasurements = defineLocal({
  method: 'GET',
  path: '/v1/measurements',
  body: z.undefined(),
  response: measurementsReplySchema,
});

/** Measures now, as far as the budget allows, and answers when that is done. */
export const localMeasure = defineLocal({
  method: 'POST',
  path: '/v1/measurements',
  body: z.undefined(),
  response: measurementsReplySchema,
});
