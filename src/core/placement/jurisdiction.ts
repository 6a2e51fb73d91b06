import type { MasterName, RegionName } from '../../model/names.ts';
import type { CountryCode } from './country-codes.ts';
import type { Exclusion, Governed } from './exclusion.ts';
import type { SubsetFacts } from './facts.ts';
import type { JurisdictionsPolicy } from './policy.ts';

/** A rule with its groups replaced by their countries. */
interface Rule {
  readonly members: ReadonlySet<string> | undefined;
  readonly what: readonly Governed[];
  readonly within: ReadonlySet<string> | undefined;
  readonly avoid: ReadonlySet<string> | undefined;
  readonly words: string;
}

/** Where masters and stores are, as far as anybody knows. */
export interface Territories {
  ofMaster(master: MasterName): CountryCode | undefined;
  /** @param region absent for the directory's store */
  ofStore(region: RegionName | undefined): CountryCode | undefined;
}

interface Location {
  readonly place: string;
  readonly jurisdiction: CountryCode | undefined;
}

/**
 * The jurisdiction rules of a policy. All of a subset's masters carry the traffic of its members and
 * hold its roll, the backups too; its store holds the roll.
 */
export class JurisdictionRules {
  private readonly rules: readonly Rule[];
  private readonly refusesUnknown: boolean;
  private readonly territories: Territories;

  constructor({ groups, rules, unknown }: JurisdictionsPolicy, territories: Territories) {
    const groupOf = new Map<string, readonly string[]>(Object.entries(groups));
    const countriesOf = (areas: readonly string[] | undefined) =>
      areas && new Set(areas.flatMap((area) => groupOf.get(area) ?? [area]));
    this.rules = rules.map(({ members, what, within, avoid }) => ({
      members: countriesOf(members),
      what,
      within: countriesOf(within),
      avoid: countriesOf(avoid),
      words: [
        ...(within ? [`within ${within.join(', ')}`] : []),
        ...(avoid ? [`out of ${avoid.join(', ')}`] : []),
      ].join(' and '),
    }));
    this.refusesUnknown = unknown === 'refuse';
    this.territories = territories;
  }

  /** What a member there would break by being in the subset; one for each rule and place. */
  exclusionsOfSubset(member: CountryCode | undefined, subset: SubsetFacts): readonly Exclusion[] {
    const masters = [subset.acting, ...subset.backups].map((master) => this.locate(master));
    const store = {
      place: subset.region ? `the store of region ${subset.region}` : 'the directory’s store',
      jurisdiction: this.territories.ofStore(subset.region),
    };
    return this.rulesFor(member).flatMap((rule) =>
      rule.what.flatMap((governed) =>
        this.breaches(rule, governed, governed === 'records' ? [...masters, store] : masters),
      ),
    );
  }

  /** What would be broken if the master served a member there. */
  exclusionsOfMaster(member: CountryCode | undefined, master: MasterName): readonly Exclusion[] {
    return this.rulesFor(member).flatMap((rule) =>
      rule.what.flatMap((governed) => this.breaches(rule, governed, [this.locate(master)])),
    );
  }

  private locate(master: MasterName): Location {
    return { place: `master ${master}`, jurisdiction: this.territories.ofMaster(master) };
  }

  /** A member that is nobody knows where is held to the rules for all places, unless the policy allows it. */
  private rulesFor(member: CountryCode | undefined): readonly Rule[] {
    return this.rules.filter(
      ({ members }) => !members || (member ? members.has(member) : this.refusesUnknown),
    );
  }

  private breaches(rule: Rule, governed: Governed, where: readonly Location[]): Exclusion[] {
    return where
      .filter(({ jurisdiction }) => !this.permits(rule, jurisdiction))
      .map(({ place, jurisdiction }) => ({
        kind: 'jurisdiction',
        governed,
        place,
        ...(jurisdiction ? { jurisdiction } : {}),
        rule: rule.words,
      }));
  }

  private permits({ within, avoid }: Rule, jurisdiction: CountryCode | undefined): boolean {
    if (!jurisdiction) return !this.refusesUnknown;
    return (within?.has(jurisdiction) ?? true) && !avoid?.has(jurisdiction);
  }
}
