import { z } from 'zod';
import { longestGraceMs } from '../../model/grace-period.ts';
import { subsetNameSchema } from '../../model/names.ts';
import { tokenTextSchema } from '../../model/token-text.ts';

const timeMs = z.number().int().nonnegative();
/** Which order it is, and where to. */
const order = { inviteId: z.uuid(), to: subsetNameSchema };

/**
 * An order to the member of one subset to move to another, and how far it has come:
 *
 *     joining ─┬─► moved ─► (the membership ends)
 *              └─► not-moved
 *
 * - `joining`: the new membership is joined, and then has to carry packets.
 * - `moved`: it comes first; this one is left at that time.
 * - `not-moved`: all is as before. A new order begins anew.
 */
export const moveStateSchema = z.discriminatedUnion('stage', [
  z.object({
    stage: z.literal('joining'),
    ...order,
    token: tokenTextSchema,
    graceMs: timeMs.max(longestGraceMs),
    /** When it was taken up, or the first of the orders to the same subset that it goes on with. */
    sinceMs: timeMs,
    /** When it is given up. */
    expiresAtMs: timeMs,
  }),
  z.object({ stage: z.literal('moved'), ...order, leavesAtMs: timeMs }),
  z.object({ stage: z.literal('not-moved'), ...order, reason: z.string() }),
]);
export type MoveState = z.infer<typeof moveStateSchema>;
export type JoiningMove = Extract<MoveState, { stage: 'joining' }>;
export type FinishedMove = Extract<MoveState, { stage: 'moved' }>;
