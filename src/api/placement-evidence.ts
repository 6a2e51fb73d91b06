import { countryCodeSchema } from '../core/placement/country-codes.ts';
import type { Measurement, Measurements, Place } from '../core/placement/facts.ts';
import type { MasterName } from '../model/names.ts';
import type { MeasuredView } from './measured-view.ts';
import type { MasterMeasurement } from './measuring-messages.ts';

/**
 * What a member has reported, as placement takes it.
 * @param asPathLength links between autonomous systems from the member to a master; undefined where nobody knows
 */
export function measurementsOf(
  masters: readonly MasterMeasurement[],
  asPathLength?: (master: MasterName) => number | undefined,
): Measurements {
  return new Map(
    masters.flatMap((master) => {
      const measurement = measurementOf(master);
      if (!measurement) return [];
      const ofSystems = asPathLength && { asPathLength: asPathLength(master.name) };
      return [[master.name, { ...measurement, ...ofSystems }] as const];
    }),
  );
}

/** A country that ISO 3166-1 does not have, as some databases do, is an unknown one. */
export function placeOf({ country, position }: NonNullable<MeasuredView['place']> = {}): Place {
  return { ...position, jurisdiction: countryCodeSchema.safeParse(country).data };
}

/**
 * Undefined for a master that did not answer the last round. NaN stands for what has no value yet. A
 * control port that nobody has tried counts as one that answers: members try those of the nearest only.
 */
function measurementOf(master: MasterMeasurement): Measurement | undefined {
  const { latencyMs, jitterMs = Number.NaN, sent, lost, hops, control } = master;
  if (latencyMs === undefined) return undefined;
  return {
    latencyMs,
    jitterMs,
    lossRatio: sent === 0 ? Number.NaN : Math.min(1, lost / sent),
    hops,
    bandwidthBitsPerSecond: slowerDirection(master),
    servesControl: control !== 'fails',
  };
}

/** Undefined unless both directions have been measured. */
function slowerDirection({ downMbit, upMbit }: MasterMeasurement): number | undefined {
  if (downMbit === undefined || upMbit === undefined) return undefined;
  return Math.min(downMbit, upMbit) * 1e6;
}
