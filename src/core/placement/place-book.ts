import type { MasterName, RegionName } from '../../model/names.ts';
import type { CountryCode } from './country-codes.ts';
import type { MasterFacts, MemberFacts, Place } from './facts.ts';
import { coordinatesOf } from './great-circle.ts';
import type { Territories } from './jurisdiction.ts';
import type { PlacementPolicy } from './policy.ts';

/** Where everything is: what the policy declares, and where it says nothing what was found. */
export class PlaceBook implements Territories {
  private readonly masters: ReadonlyMap<MasterName, Place>;
  private readonly members: ReadonlyMap<string, Place>;
  private readonly regions: ReadonlyMap<string, CountryCode>;
  private readonly directory: CountryCode | undefined;

  constructor(masters: readonly MasterFacts[], places: PlacementPolicy['places']) {
    const declared = new Map<string, Place>(Object.entries(places.masters));
    this.masters = new Map(
      masters.map(({ name, place }) => [name, merge(declared.get(name), place)]),
    );
    this.members = new Map(Object.entries(places.members));
    this.regions = new Map(Object.entries(places.regions));
    this.directory = places.directory;
  }

  ofMember({
    name,
    namesItself,
    place,
  }: Pick<MemberFacts, 'name' | 'namesItself' | 'place'>): Place {
    return merge(namesItself ? undefined : this.members.get(name), place);
  }

  /** Empty for a master that is not among those it was made for. */
  placeOfMaster(master: MasterName): Place {
    return this.masters.get(master) ?? {};
  }

  ofMaster(master: MasterName): CountryCode | undefined {
    return this.masters.get(master)?.jurisdiction;
  }

  ofStore(region: RegionName | undefined): CountryCode | undefined {
    return region === undefined ? this.directory : this.regions.get(region);
  }
}

/** Latitude and longitude stay together. */
function merge(declared: Place = {}, found: Place = {}): Place {
  const position = coordinatesOf(declared) ?? coordinatesOf(found) ?? {};
  return {
    ...position,
    site: declared.site ?? found.site,
    provider: declared.provider ?? found.provider,
    jurisdiction: declared.jurisdiction ?? found.jurisdiction,
  };
}
