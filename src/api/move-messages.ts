import { z } from 'zod';
import { longestGraceMs } from '../model/grace-period.ts';
import { chainSchema } from '../model/records/parts.ts';
import { tokenTextSchema } from '../model/token-text.ts';

/*
 * Messages about moving to another subset. A master sends `move` only to members whose `hello` says
 * that they take it, and a member answers it in the same session: at once, when it has done so
 * before, or when it has. So neither end meets a word that it does not know.
 */

/** The member is to move to the subset of the invite, and to leave this one when the grace period is over. */
export const moveSchema = z.object({
  type: z.literal('move'),
  token: tokenTextSchema,
  graceMs: z.number().int().min(0).max(longestGraceMs),
});
export type MoveMessage = z.infer<typeof moveSchema>;

/** It is there: new connections take its new addresses. The chain is that of the new membership. */
export const movedSchema = z.object({ type: z.literal('moved'), chain: chainSchema });

/** It stays. The invite's id says which order it is about. */
export const notMovedSchema = z.object({
  type: z.literal('not-moved'),
  inviteId: z.uuid(),
  reason: z.string().max(1_024),
});

export type MoveReport = z.infer<typeof movedSchema> | z.infer<typeof notMovedSchema>;
