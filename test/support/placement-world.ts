import fc from 'fast-check';
import { countryCodeSchema } from '../../src/core/placement/country-codes.ts';
import type {
  MasterFacts,
  Measurement,
  MemberFacts,
  SubsetFacts,
  World,
} from '../../src/core/placement/facts.ts';
import { type PlacementPolicy, placementPolicySchema } from '../../src/core/placement/policy.ts';
import {
  type MasterName,
  parseMasterName,
  parseMemberName,
  parseRegionName,
  parseSubsetName,
} from '../../src/model/names.ts';

/*
 * Small worlds for tests of placement. Scores are drawn from few numbers, so that ties are common.
 */

export interface PlacementWorld {
  readonly world: World;
  readonly members: readonly MemberFacts[];
  readonly policy: PlacementPolicy;
}

export const country = (code: string) => countryCodeSchema.parse(code);

export function aMaster(name: string, facts: Partial<MasterFacts> = {}): MasterFacts {
  return { name: parseMasterName(name), members: 0, isDraining: false, ...facts };
}

/** A subset with its acting master, of the same name unless said. */
export function aSubset(
  name: string,
  acting = name,
  facts: Partial<SubsetFacts> = {},
): SubsetFacts {
  return { name: parseSubsetName(name), acting: parseMasterName(acting), backups: [], ...facts };
}

/** One subset for each master. */
export function worldOf(...masters: readonly MasterFacts[]): World {
  return { masters, subsets: masters.map(({ name }) => aSubset(name)) };
}

export function aMeasurement(latencyMs: number, more: Partial<Measurement> = {}): Measurement {
  return { latencyMs, jitterMs: 0, lossRatio: 0, servesControl: true, ...more };
}

/** @param latenciesMs by master */
export function aMember(
  name: string,
  latenciesMs: Readonly<Record<string, number | Measurement>>,
  facts: Partial<MemberFacts> = {},
): MemberFacts {
  const measurements = new Map<MasterName, Measurement>(
    Object.entries(latenciesMs).map(([master, measured]) => [
      parseMasterName(master),
      typeof measured === 'number' ? aMeasurement(measured) : measured,
    ]),
  );
  return { name: parseMemberName(name), measurements, ...facts };
}

export const aPolicy = (document: object = {}): PlacementPolicy =>
  placementPolicySchema.parse(document);

/** A world, and the same before its first master came, which backs up nothing. */
export function growth({ masters, subsets }: World): {
  readonly added: MasterName | undefined;
  readonly before: World;
  readonly after: World;
} {
  const [first, ...others] = masters;
  const added = first?.name;
  const after = subsets.map((subset) => ({
    ...subset,
    backups: subset.backups.filter((backup) => backup !== added),
  }));
  const before = after.filter(({ acting }) => acting !== added);
  return {
    added,
    before: { masters: others, subsets: before },
    after: { masters, subsets: after },
  };
}

const somewhere = fc
  .option(fc.constantFrom('DE', 'FR', 'US'), { nil: undefined })
  .map((code) => (code === undefined ? {} : { jurisdiction: country(code) }));

const someMasters = fc.array(
  fc.record({ place: somewhere, members: fc.nat(3), isDraining: fc.boolean() }),
  { minLength: 1, maxLength: 5 },
);

const someMeasurement = fc.option(
  fc.record({
    latencyMs: fc.integer({ min: 1, max: 12 }).map((tens) => 10 * tens),
    jitterMs: fc.integer({ min: 0, max: 3 }),
    lossRatio: fc.constantFrom(0, 0, 0.01),
    servesControl: fc.integer({ max: 9 }).map((draw) => draw !== 0),
  }),
  { nil: undefined, freq: 8 },
);

const someRules = fc.constantFrom(
  [],
  [{ members: ['eu'], within: ['eu'] }],
  [{ avoid: ['US'], what: ['traffic'] }],
  [{ members: ['US'], within: ['US'], what: ['records'] }],
);

const somePolicy = fc
  .record({
    rules: someRules,
    unknown: fc.constantFrom('refuse', 'allow'),
    atMost: fc.constantFrom(undefined, 60, 100),
    points: fc.constantFrom(0, 5, 15),
    percent: fc.constantFrom(0, 10, 50),
    movesPerMinute: fc.integer({ min: 1, max: 4 }),
    capacities: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 5 }),
    pin: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  })
  .map(({ rules, unknown, atMost, points, percent, movesPerMinute, capacities, pin }) => ({
    criteria: { latencyMs: { ...(atMost === undefined ? {} : { atMost }) } },
    jurisdictions: { groups: { eu: ['DE', 'FR'] }, rules, unknown },
    places: { directory: 'DE', regions: { west: 'US' } },
    hysteresis: { points, percent },
    movesPerMinute,
    capacities: Object.fromEntries(capacities.map((capacity, index) => [`k${index}`, capacity])),
    pins: pin === undefined ? {} : { m0: { master: `k${pin}` } },
  }));

/** Members that are in a subset, or in none, or in one that nobody acts for. */
export const somePlacementWorld: fc.Arbitrary<PlacementWorld> = someMasters.chain((masters) => {
  const names = masters.map((_, index) => `k${index}`);
  const someSubset = fc.record({
    acting: fc.constantFrom(...names),
    backups: fc.subarray(names, { maxLength: 1 }),
    isWest: fc.boolean(),
  });
  return fc
    .record({
      subsets: fc.array(someSubset, { minLength: 1, maxLength: 6 }),
      members: fc.array(
        fc.record({
          place: somewhere,
          subset: fc.option(fc.nat(6), { nil: undefined }),
          measured: fc.array(someMeasurement, {
            minLength: names.length,
            maxLength: names.length,
          }),
        }),
        { minLength: 1, maxLength: 9 },
      ),
      policy: somePolicy,
    })
    .map(({ subsets, members, policy }) => ({
      world: {
        masters: masters.map((facts, index) => aMaster(`k${index}`, facts)),
        subsets: subsets.map(({ acting, backups, isWest }, index) =>
          aSubset(`s${index}`, acting, {
            backups: backups.filter((name) => name !== acting).map(parseMasterName),
            ...(isWest ? { region: parseRegionName('west') } : {}),
          }),
        ),
      },
      members: members.map(({ place, subset, measured }, index) =>
        aMember(
          `m${index}`,
          Object.fromEntries(
            measured.flatMap((each, column) => (each ? [[`k${column}`, each]] : [])),
          ),
          { place, ...(subset === undefined ? {} : { subset: parseSubsetName(`s${subset}`) }) },
        ),
      ),
      policy: aPolicy(policy),
    }));
});
