import { z } from 'zod';
import { mostCandidates } from '../core/measuring/probe-schedule.ts';
import { endpointSchema } from '../model/endpoint.ts';
import { masterNameSchema } from '../model/names.ts';

/*
 * What is said in a session about how well a member is connected to masters. A master sends
 * `candidates` only to members whose `hello` had `measures`, and a member `measurements` only to a
 * master that has sent `candidates`, so that neither meets words that it does not know.
 */

/** A master of the VPN that the member may be given to; nothing of it is vouched for. */
export const candidateMasterSchema = z.object({
  name: masterNameSchema,
  control: endpointSchema,
  /** UDP, at the host of `control`; absent from a master that answers no STUN. */
  stunPort: z.number().int().min(1).max(65_535).optional(),
});
export type CandidateMaster = z.infer<typeof candidateMasterSchema>;

/** What the operators want; the member keeps to limits of its own (`core/measuring/measuring-terms`). */
const measuringTermsSchema = z.object({
  intervalSeconds: z.number().int().nonnegative(),
  bytesPerDay: z.number().int().nonnegative(),
});

/** Every master that is worth measuring, the member's own among them. Replaces what was sent before. */
export const candidatesSchema = z.object({
  type: z.literal('candidates'),
  masters: z.array(candidateMasterSchema).max(mostCandidates),
  /** Absent from a master of an earlier version, which leaves it to the member. */
  measuring: measuringTermsSchema.optional(),
});
export type CandidatesMessage = z.infer<typeof candidatesSchema>;

/** A week: what is older was measured in another world. */
const durationMs = z
  .number()
  .nonnegative()
  .max(7 * 24 * 3_600_000);
const roundTripMs = z.number().nonnegative().max(60_000);
const mbit = z.number().nonnegative().max(1_000_000);

/**
 * - `answers`: within its last round. `silent`: it did before, or never.
 * - `none`: the master says that it answers no STUN. `untried`: not measured yet.
 */
const stunStateSchema = z.enum(['answers', 'silent', 'none', 'untried']);

/** What a member has measured of one master. */
export const masterMeasurementSchema = z.object({
  name: masterNameSchema,
  stun: stunStateSchema,
  /** For how long the last round has been over; absent before the first. */
  ageMs: durationMs.optional(),
  /** Requests that the figures are of, and those among them that were not answered. */
  sent: z.number().int().min(0).max(1_000),
  lost: z.number().int().min(0).max(1_000),
  /** Median of the round trips. */
  latencyMs: roundTripMs.optional(),
  /** RFC 3550 §6.4.1, over round trips. */
  jitterMs: roundTripMs.optional(),
  /** Links on the way, from the least hop limit that was answered. */
  hops: z.number().int().min(1).max(255).optional(),
  /** The member's public `address:port` as the master sees it; IPv6 in brackets. */
  seenAs: z.string().max(64).optional(),
  /** Of the control port, when the bandwidth was tried; absent when it was not. */
  control: z.enum(['answers', 'fails']).optional(),
  /** From the master and to it: what a transfer has reached, so at least. */
  downMbit: mbit.optional(),
  upMbit: mbit.optional(),
  /** For how long `control` and the bandwidth have been known. */
  transferAgeMs: durationMs.optional(),
});
export type MasterMeasurement = z.infer<typeof masterMeasurementSchema>;

/** After each round, and when the session begins. */
export const measurementsSchema = z.object({
  type: z.literal('measurements'),
  masters: z.array(masterMeasurementSchema).max(mostCandidates),
});
export type MeasurementsMessage = z.infer<typeof measurementsSchema>;
