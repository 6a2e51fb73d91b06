import type { CountryCode } from './country-codes.ts';
import type { Measurement, MemberFacts } from './facts.ts';
import { type Coordinates, greatCircleKm } from './great-circle.ts';
import type { CriteriaPolicy } from './policy.ts';

export type CriterionName = keyof CriteriaPolicy;

/** What is known of a member, made ready for many masters. */
export interface PreparedMember {
  readonly facts: MemberFacts;
  readonly coordinates: Coordinates | undefined;
  readonly site: string | undefined;
  readonly jurisdiction: CountryCode | undefined;
  readonly gbPer30Days: number;
}

/** What is known of a master, made ready for many members. */
export interface PreparedMaster {
  readonly coordinates: Coordinates | undefined;
  readonly pricePerGb: number;
  /** By the site of the member, on top of it. */
  readonly linkPricesPerGb: ReadonlyMap<string, number>;
}

/** What the criteria of one member and one master are read from. */
export interface Pair {
  readonly measurement: Measurement;
  readonly member: PreparedMember;
  readonly master: PreparedMaster;
}

export interface Criterion {
  readonly name: CriterionName;
  readonly unit: string;
  /** Absent where nobody knows. */
  read(pair: Pair): number | undefined;
  /** What the weight multiplies: lower is better. */
  burden(value: number): number;
}

const asItIs = (value: number): number => value;

/** In the order in which an explanation shows them. */
export const criteria: readonly Criterion[] = [
  {
    name: 'latencyMs',
    unit: 'ms',
    read: ({ measurement }) => measurement.latencyMs,
    burden: asItIs,
  },
  { name: 'jitterMs', unit: 'ms', read: ({ measurement }) => measurement.jitterMs, burden: asItIs },
  {
    name: 'lossPercent',
    unit: '%',
    read: ({ measurement }) => 100 * measurement.lossRatio,
    burden: asItIs,
  },
  { name: 'hops', unit: 'hops', read: ({ measurement }) => measurement.hops, burden: asItIs },
  {
    name: 'asPathLength',
    unit: 'systems',
    read: ({ measurement }) => measurement.asPathLength,
    burden: asItIs,
  },
  {
    name: 'bandwidthMbit',
    unit: 'Mbit/s',
    read: ({ measurement: { bandwidthBitsPerSecond: bits } }) =>
      bits === undefined ? undefined : bits / 1e6,
    // Milliseconds for a megabyte; a path that carries next to nothing is as bad as one of 1 kbit/s.
    burden: (mbit) => 8_000 / Math.max(mbit, 0.001),
  },
  {
    name: 'distanceKm',
    unit: 'km',
    read: ({ member: { coordinates: from }, master: { coordinates: to } }) =>
      from && to ? greatCircleKm(from, to) : undefined,
    burden: asItIs,
  },
  {
    name: 'costPer30Days',
    unit: 'per 30 days',
    read: ({ member, master }) => member.gbPer30Days * pricePerGb(member, master),
    burden: asItIs,
  },
];

function pricePerGb({ site }: PreparedMember, master: PreparedMaster): number {
  const link = site === undefined ? undefined : master.linkPricesPerGb.get(site);
  return master.pricePerGb + (link ?? 0);
}

/** All others are better when they are smaller. */
export function isFloor(name: CriterionName): name is 'bandwidthMbit' {
  return name === 'bandwidthMbit';
}

/** The hard limit of a criterion, and whether a value keeps to it. */
export function limitOf(policy: CriteriaPolicy, name: CriterionName): number | undefined {
  return isFloor(name) ? policy.bandwidthMbit.atLeast : policy[name].atMost;
}

export function keepsLimit(name: CriterionName, value: number, limit: number): boolean {
  return isFloor(name) ? value >= limit : value <= limit;
}
