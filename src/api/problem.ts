import { z } from 'zod';

/** What every failed request is answered with (in the manner of RFC 9457). */
export const problemSchema = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  fields: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
