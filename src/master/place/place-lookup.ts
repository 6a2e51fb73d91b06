import { readFile } from 'node:fs/promises';
import { type AsnResponse, type CityResponse, Reader } from 'mmdb-lib';
import { z } from 'zod';
import { describeError, InvalidInputError } from '../../model/error.ts';
import type { Address } from '../../model/prefix.ts';

/** Degrees of WGS 84: north and east are positive. */
export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

/** What a database says of an address; of some it knows less than of others. */
export interface Place {
  /** ISO 3166-1 alpha-2: where the address is in use, not where it is registered. */
  readonly country?: string;
  readonly position?: Position;
}

export interface PlaceDatabases {
  /** A file such as GeoLite2-City.mmdb or GeoLite2-Country.mmdb. */
  readonly places?: string | undefined;
  /** A file such as GeoLite2-ASN.mmdb. */
  readonly systems?: string | undefined;
}

/** Of a record only what is used counts; what it has besides is the database's business. */
const countrySchema = z.object({ country: z.object({ iso_code: z.string().regex(/^[A-Z]{2}$/) }) });
const positionSchema = z.object({
  location: z.object({
    latitude: z.number().min(-90).max(90),
    longitude: z.number().min(-180).max(180),
  }),
});
const systemSchema = z.object({
  autonomous_system_number: z.number().int().min(1).max(0xffff_ffff),
});

/**
 * Looks addresses up in databases that were read once, whole: a newer file counts after the master's
 * next start. What a database does not know, or says in a form that nobody understands, is unknown.
 */
export class PlaceLookup {
  readonly #places: Reader<CityResponse> | undefined;
  readonly #systems: Reader<AsnResponse> | undefined;

  private constructor(
    places: Reader<CityResponse> | undefined,
    systems: Reader<AsnResponse> | undefined,
  ) {
    this.#places = places;
    this.#systems = systems;
  }

  /** @throws InvalidInputError naming a file that is not there, or is no such database */
  static async open({ places, systems }: PlaceDatabases): Promise<PlaceLookup> {
    return new PlaceLookup(
      places === undefined ? undefined : await openDatabase<CityResponse>(places),
      systems === undefined ? undefined : await openDatabase<AsnResponse>(systems),
    );
  }

  placeOf(address: Address): Place {
    const record = lookUp(this.#places, address);
    const country = countrySchema.safeParse(record).data?.country.iso_code;
    const position = positionSchema.safeParse(record).data?.location;
    return {
      ...(country === undefined ? {} : { country }),
      ...(position === undefined ? {} : { position }),
    };
  }

  /** The number of the autonomous system that announces the address (RFC 1930); undefined when it is not known. */
  systemOf(address: Address): number | undefined {
    const record = lookUp(this.#systems, address);
    return systemSchema.safeParse(record).data?.autonomous_system_number;
  }
}

type DatabaseRecord = CityResponse | AsnResponse;

async function openDatabase<R extends DatabaseRecord>(path: string): Promise<Reader<R>> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const problem = cause.code === 'ENOENT' ? 'is not there' : `cannot be read: ${cause.message}`;
    throw new InvalidInputError(`the place database ${path} ${problem}`, { path }, cause);
  });
  try {
    return new Reader<R>(bytes);
  } catch (cause) {
    throw new InvalidInputError(
      `${path} is no database in MaxMind's format (mmdb), or is cut off: ${describeError(cause)}`,
      { path },
      cause,
    );
  }
}

/** A part of the file that is damaged says nothing of what is in it. */
function lookUp<R extends DatabaseRecord>(
  reader: Reader<R> | undefined,
  address: Address,
): unknown {
  try {
    return reader?.get(address);
  } catch {
    return undefined;
  }
}
