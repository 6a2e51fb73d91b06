import { z } from 'zod';

/** Of an invite token or a placement claim, wherever one is made, sent or kept. */
export const maxTokenLength = 4_096;

/** One that has not been parsed yet. */
export const tokenTextSchema = z.string().max(maxTokenLength);
