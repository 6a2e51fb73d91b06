import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { endpointSchema } from '../../model/endpoint.ts';
import { masterNameSchema, memberNameSchema } from '../../model/names.ts';
import { logLevels } from '../../runtime/log.ts';

const absolutePath = z.string().refine(isAbsolute, 'expected an absolute path');
const logLevel = z.enum(logLevels);

/** `masters/NAME/master.yaml`. What is left out has the default of `hanse master run`. */
export const masterConfigSchema = z.strictObject({
  name: masterNameSchema,
  /** The data directory. */
  dir: absolutePath,
  /** As `--store`. */
  store: z.string().regex(/^[a-z]+:./, 'expected a store such as sqlite:/var/lib/hanse/store.db'),
  /** Where the API and the control sessions are served. */
  listen: endpointSchema,
  metricsListen: endpointSchema.optional(),
  logLevel: logLevel.default('info'),
});
export type MasterConfig = z.infer<typeof masterConfigSchema>;

/** The member's file, all of it optional. */
export const memberConfigSchema = z.strictObject({
  /** The data directory; the member's own is `member` in it. */
  dir: absolutePath.optional(),
  /** What to be called at the next join, where the invite names nobody. */
  name: memberNameSchema.optional(),
  logLevel: logLevel.optional(),
  metricsListen: endpointSchema.optional(),
});
export type MemberConfig = z.infer<typeof memberConfigSchema>;
