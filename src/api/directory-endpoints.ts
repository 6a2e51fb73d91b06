import { z } from 'zod';
import { masterNameSchema, regionNameSchema, subsetNameSchema } from '../model/names.ts';
import { prefixSchema } from '../model/prefix.ts';
import {
  actingChangeSchema,
  keyingPhaseSchema,
  lifetimesSchema,
} from '../model/records/directory.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, timeMs } from './endpoint-parts.ts';

/** The directory as a client needs it. */
export const directoryViewSchema = z.object({
  vpn: z.object({
    name: z.string(),
    id: z.string(),
    prefixes: z.array(prefixSchema),
    /** `changing`: from one mode to the other. */
    keying: keyingPhaseSchema,
    lifetimes: lifetimesSchema,
    createdAtMs: timeMs,
  }),
  /** The age of the key among masters; absent where the store was read without them. */
  backboneKey: z.object({ epoch: epochSchema, createdAtMs: timeMs }).optional(),
  masters: z.array(
    z.object({
      name: masterNameSchema,
      control: z.string(),
      /** Since when it is being emptied, or is empty. */
      drainedSinceMs: timeMs.optional(),
    }),
  ),
  subsets: z.array(
    z.object({
      name: subsetNameSchema,
      /** Who acts for it when nothing has failed. */
      home: masterNameSchema,
      /** Who acts for it now; the home master until anybody has ever acted. */
      acting: masterNameSchema,
      actingSinceMs: timeMs.optional(),
      /** How it came to act. */
      change: actingChangeSchema.optional(),
      backups: z.array(masterNameSchema),
      /** Each with the order in which masters take it over. */
      blocks: z.array(
        z.object({ prefixes: z.array(prefixSchema), order: z.array(masterNameSchema) }),
      ),
      region: regionNameSchema.optional(),
    }),
  ),
});
export type DirectoryView = z.infer<typeof directoryViewSchema>;

export const getDirectory = defineEndpoint({
  method: 'GET',
  path: '/v1/directory',
  summary: 'The masters, the subsets and who acts for which',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: directoryViewSchema,
});
