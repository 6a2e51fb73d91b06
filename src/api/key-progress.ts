import { z } from 'zod';
import { memberNameSchema } from '../model/names.ts';
import { epochSchema } from '../model/wireguard-key.ts';

/*
 * What is told of a new key of a subset while its members apply it, whatever it was made for.
 */

/**
 * Who has not applied a key is not waited for when nothing has been seen of any of them for so long: members
 * that lose their master for a moment are back sooner, also with one that has just come to act.
 */
export const absentMs = 3_000;

/** Of the line that says that the key is durable. */
export const newKeyShape = {
  revision: z.number().int(),
  epoch: epochSchema,
  afterMs: z.number(),
  /** How many members have to apply it, and how many of them are connected. */
  members: z.number().int(),
  connected: z.number().int(),
};

/** A member that has not applied a key yet; connected by a session with the master that tells. */
export const pendingMemberSchema = z.object({ member: memberNameSchema, connected: z.boolean() });
export type PendingMember = z.infer<typeof pendingMemberSchema>;

export const acknowledgedSchema = z.object({
  type: z.literal('acknowledged'),
  member: memberNameSchema,
  afterMs: z.number(),
});

export const finishedSchema = z.object({
  type: z.literal('finished'),
  acknowledged: z.number().int(),
  /** Who has not applied it yet; those who are not connected will when they come back. */
  pending: z.array(pendingMemberSchema).max(1_000),
  pendingTotal: z.number().int(),
  afterMs: z.number(),
});

/** Each line after the first. */
export type KeyProgress = z.infer<typeof acknowledgedSchema> | z.infer<typeof finishedSchema>;
