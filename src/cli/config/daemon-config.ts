import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { endpointSchema } from '../../model/endpoint.ts';
import { masterNameSchema, memberNameSchema, regionNameSchema } from '../../model/names.ts';
import { logLevels } from '../../runtime/log.ts';

const absolutePath = z.string().refine(isAbsolute, 'expected an absolute path');
const storeUrl = z
  .string()
  .regex(
    /^(sqlite:\/.|etcds?:\/\/.)/,
    'expected a store such as sqlite:/var/lib/hanse/store.db or etcd://HOST,HOST,HOST/PREFIX',
  );
const logLevel = z.enum(logLevels);

/** `masters/NAME/master.yaml`. What is left out has the default of `hanse master run`. */
export const masterConfigSchema = z.strictObject({
  name: masterNameSchema,
  /** The data directory. */
  dir: absolutePath,
  /** As `--store`. */
  store: storeUrl,
  /** Where this machine reaches the stores of regions, when otherwise than the directory says. */
  regions: z.record(regionNameSchema, storeUrl).optional(),
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
