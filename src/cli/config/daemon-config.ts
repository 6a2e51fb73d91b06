import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { endpointSchema } from '../../model/endpoint.ts';
import { mappingSchema } from '../../model/mapping-schema.ts';
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
const stunPort = z.custom<number | 'off'>(
  (value) => value === 'off' || z.int().min(1).max(65_535).safeParse(value).success,
  'expected a port, 1 to 65535, or off',
);

/** Above the ports that Linux gives to whoever asks for none (`ip_local_port_range`). */
const defaultRelayPorts = { first: 61_000, count: 200 };
const relayPorts = z
  .string()
  .transform((text, context) => {
    if (text === 'off') return undefined;
    const [, first = 0, last = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).map(Number);
    if (first >= 1 && last > first && last <= 65_535) return { first, count: last - first + 1 };
    context.addIssue('expected two UDP ports at least, such as 61000-61199, or off');
    return z.NEVER;
  })
  .default(defaultRelayPorts);

/** `masters/NAME/master.yaml`. What is left out has the default of `hanse master run`. */
export const masterConfigSchema = mappingSchema({
  name: masterNameSchema,
  /** The data directory. */
  dir: absolutePath,
  /** As `--store`. */
  store: storeUrl,
  /** Where this machine reaches the stores of regions, when otherwise than the directory says. */
  regions: z.record(regionNameSchema, storeUrl).optional(),
  /** Where the API and the control sessions are served. */
  listen: endpointSchema,
  /** UDP, on the host of `listen`: where STUN is answered, or `off`. */
  stunPort: stunPort.optional(),
  /** Databases in MaxMind's format: of places, and of autonomous systems. */
  placeDatabase: absolutePath.optional(),
  asDatabase: absolutePath.optional(),
  /** A file of CAIDA's AS relationships. */
  asLinks: absolutePath.optional(),
  metricsListen: endpointSchema.optional(),
  /** For datagrams between members that find no direct path. */
  relayPorts,
  logLevel: logLevel.default('info'),
});
export type MasterConfig = z.infer<typeof masterConfigSchema>;

/** The member's file, all of it optional. */
export const memberConfigSchema = mappingSchema({
  /** The data directory; the member's own is `member` in it. */
  dir: absolutePath.optional(),
  /** What to be called at the next join, where the invite names nobody. */
  name: memberNameSchema.optional(),
  logLevel: logLevel.optional(),
  metricsListen: endpointSchema.optional(),
});
export type MemberConfig = z.infer<typeof memberConfigSchema>;
