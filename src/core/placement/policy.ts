import { z } from 'zod';
import { mappingSchema } from '../../model/mapping-schema.ts';
import {
  masterNameSchema,
  memberNameSchema,
  regionNameSchema,
  subsetNameSchema,
} from '../../model/names.ts';
import { termsLimits, usualTerms } from '../measuring/measuring-terms.ts';
import { countryCodeSchema } from './country-codes.ts';

/*
 * What an operator wants of placement, as the policy file says it (docs/placement.md has every key).
 * A parsed policy has all defaults filled in.
 */

const atLeastZero = z.number().min(0, 'expected 0 or more').max(1e12);
const percent = z.number().min(0, 'expected 0 to 100').max(100, 'expected 0 to 100');
const count = z.number().int('expected a whole number').min(0, 'expected 0 or more').max(1e9);
const label = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'use 1 to 64 letters, digits, dots, _ and -');

/** A weight, a hard limit, and what is taken for what nobody has measured. */
const criterion = (weight: number, assume?: number) =>
  mappingSchema({
    weight: atLeastZero.default(weight),
    atMost: atLeastZero.optional(),
    assume: assume === undefined ? atLeastZero.optional() : atLeastZero.default(assume),
  }).prefault({});

const criteriaSchema = mappingSchema({
  latencyMs: criterion(1),
  jitterMs: criterion(2),
  lossPercent: criterion(20),
  hops: criterion(0, 30),
  asPathLength: criterion(0, 10),
  /** The only one that is better when it is larger; weighed by the milliseconds that a megabyte takes. */
  bandwidthMbit: mappingSchema({
    weight: atLeastZero.default(0),
    atLeast: atLeastZero.optional(),
    assume: z.number().positive('expected more than 0').default(10),
  }).prefault({}),
  distanceKm: criterion(0, 20_015),
  costPer30Days: criterion(0),
}).prefault({});
export type CriteriaPolicy = z.infer<typeof criteriaSchema>;

/** Lower case, so that no group can be taken for a country. */
const groupName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'use 1 to 32 lower-case letters, digits and hyphens');
const areas = z.array(z.string()).min(1, 'expected at least one country or group').max(300);

const jurisdictionRuleSchema = mappingSchema({
  /** Whom it is for, by where they are; everybody where it is left out. */
  members: areas.optional(),
  what: z
    .array(z.enum(['traffic', 'records'], 'expected traffic or records'))
    .min(1, 'expected traffic, records or both')
    .default(['traffic', 'records']),
  within: areas.optional(),
  avoid: areas.optional(),
}).refine(({ within, avoid }) => within ?? avoid, {
  error: 'say within, avoid or both: where it has to stay, or where it must not be',
});

const jurisdictionsSchema = mappingSchema({
  unknown: z.enum(['refuse', 'allow'], 'expected refuse or allow').default('refuse'),
  groups: z.record(groupName, z.array(countryCodeSchema).min(1).max(300)).default({}),
  rules: z.array(jurisdictionRuleSchema).max(100).default([]),
}).prefault({});
export type JurisdictionsPolicy = z.infer<typeof jurisdictionsSchema>;

const placeSchema = mappingSchema({
  latitude: z
    .number()
    .min(-90, 'expected -90 to 90 degrees north')
    .max(90, 'expected -90 to 90 degrees north')
    .optional(),
  longitude: z
    .number()
    .min(-180, 'expected -180 to 180 degrees east')
    .max(180, 'expected -180 to 180 degrees east')
    .optional(),
  site: label.optional(),
  provider: label.optional(),
  /** Number of the autonomous system. */
  system: z
    .number()
    .int('expected the number of an autonomous system')
    .min(1, 'expected the number of an autonomous system')
    .max(4_294_967_295, 'expected the number of an autonomous system')
    .optional(),
  jurisdiction: countryCodeSchema.optional(),
}).refine(({ latitude, longitude }) => (latitude === undefined) === (longitude === undefined), {
  error: 'say latitude and longitude, or neither',
});

const placesSchema = mappingSchema({
  masters: z.record(masterNameSchema, placeSchema).default({}),
  members: z.record(memberNameSchema, placeSchema).default({}),
  /** Where the stores of regions are. */
  regions: z.record(regionNameSchema, countryCodeSchema).default({}),
  /** Where the directory's store is, which has the rolls of subsets without a region. */
  directory: countryCodeSchema.optional(),
}).prefault({});

const pricesSchema = mappingSchema({
  /** For each GB between a master and its members. */
  mastersPerGb: z.record(masterNameSchema, atLeastZero).default({}),
  /** For masters that are not listed. */
  otherwisePerGb: atLeastZero.default(0),
  /** Besides the master's price, for members at a site. */
  links: z
    .array(mappingSchema({ site: label, master: masterNameSchema, perGb: atLeastZero }))
    .max(10_000)
    .default([]),
  /** The traffic of a member that has not been measured yet. */
  assumedGbPer30Days: atLeastZero.default(10),
}).prefault({});

const pinSchema = mappingSchema({
  master: masterNameSchema.optional(),
  subset: subsetNameSchema.optional(),
}).refine(({ master, subset }) => master ?? subset, { error: 'say master, subset or both' });

export const placementPolicySchema = mappingSchema({
  criteria: criteriaSchema,
  jurisdictions: jurisdictionsSchema,
  places: placesSchema,
  prices: pricesSchema,
  /** How many members a master may act for; as many as there are where it is not listed. */
  capacities: z.record(masterNameSchema, count).default({}),
  /** By the member's name, in whatever subset. */
  pins: z.record(memberNameSchema, pinSchema).default({}),
  backups: mappingSchema({
    count: z.number().int().min(1, 'expected 1 to 8').max(8, 'expected 1 to 8').default(2),
    /** Points on top of a master's score for what it shares with the acting one. */
    sameSite: atLeastZero.default(100),
    sameProvider: atLeastZero.default(20),
    sameJurisdiction: atLeastZero.default(10),
  }).prefault({}),
  /** A place has to be better by both to be moved to. */
  hysteresis: mappingSchema({
    points: atLeastZero.default(5),
    percent: percent.default(10),
  }).prefault({}),
  movesPerMinute: z
    .number()
    .int('expected a whole number')
    .min(1, 'expected 1 or more')
    .max(100_000, 'expected 100000 at most')
    .default(60),
  measuring: mappingSchema({
    intervalSeconds: z
      .number()
      .int('expected a whole number of seconds')
      .min(termsLimits.leastIntervalMs / 1_000, 'expected 10 seconds or more')
      .max(termsLimits.mostIntervalMs / 1_000, 'expected a day (86400) at most')
      .default(usualTerms.intervalMs / 1_000),
    /** Of each member, for all that measuring sends and receives. */
    bytesPerDay: count
      .max(termsLimits.mostBytesPerDay, 'expected 20000000 at most: no member spends more')
      .default(usualTerms.bytesPerDay),
  }).prefault({}),
}).superRefine(checkAreas);
export type PlacementPolicy = z.infer<typeof placementPolicySchema>;

/** What an empty file says. */
export const defaultPlacementPolicy: PlacementPolicy = placementPolicySchema.parse({});

/** Every area of a rule is a country or one of the groups. */
function checkAreas(
  { jurisdictions: { groups, rules } }: { readonly jurisdictions: JurisdictionsPolicy },
  context: z.RefinementCtx,
): void {
  const names = Object.keys(groups).join(', ');
  rules.forEach((rule, ruleIndex) => {
    for (const key of ['members', 'within', 'avoid'] as const) {
      rule[key]?.forEach((area, areaIndex) => {
        if (Object.hasOwn(groups, area) || countryCodeSchema.safeParse(area).success) return;
        context.addIssue({
          code: 'custom',
          path: ['jurisdictions', 'rules', ruleIndex, key, areaIndex],
          message: `expected an ISO 3166-1 alpha-2 code in capitals, such as DE, or a group of this file (${names || 'it has none'})`,
        });
      });
    }
  });
}
