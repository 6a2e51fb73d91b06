import type { MasterName } from '../../model/names.ts';
import {
  type Criterion,
  criteria,
  keepsLimit,
  limitOf,
  type Pair,
  type PreparedMaster,
  type PreparedMember,
} from './criteria.ts';
import type { Exclusion } from './exclusion.ts';
import type { MasterFacts, MemberFacts, SubsetFacts, World } from './facts.ts';
import { coordinatesOf } from './great-circle.ts';
import { JurisdictionRules } from './jurisdiction.ts';
import { PlaceBook } from './place-book.ts';
import type { PlacementPolicy } from './policy.ts';

const bytesPerGb = 1e9;
const daysPerPeriod = 30;

/** One criterion of one candidate, as an explanation shows it. */
export interface CriterionShare {
  readonly criterion: Criterion['name'];
  readonly unit: string;
  /** Absent where nobody knows and the policy assumes nothing. */
  readonly value?: number;
  /** The value is the policy's, because nobody has measured it. */
  readonly isAssumed: boolean;
  readonly weight: number;
  /** What it adds to the score. */
  readonly points: number;
}

/** A criterion with what the policy says of it. */
interface Term {
  readonly criterion: Criterion;
  readonly weight: number;
  readonly limit: number | undefined;
  readonly assume: number | undefined;
}

/** Measures masters for members by one policy. A score has no unit; lower is better, and 0 is perfect. */
export class Scorer {
  readonly places: PlaceBook;
  readonly jurisdictions: JurisdictionRules;
  private readonly policy: PlacementPolicy;
  private readonly terms: readonly Term[];
  /** Those that can change a score or exclude; most policies leave some out. */
  private readonly effectiveTerms: readonly Term[];
  private readonly masters: ReadonlyMap<MasterName, PreparedMaster>;
  private readonly pins: ReadonlyMap<
    string,
    PlacementPolicy['pins'][keyof PlacementPolicy['pins']]
  >;

  constructor({ masters }: World, policy: PlacementPolicy) {
    this.policy = policy;
    this.places = new PlaceBook(masters, policy.places);
    this.jurisdictions = new JurisdictionRules(policy.jurisdictions, this.places);
    this.terms = criteria.map((criterion) => ({
      criterion,
      weight: policy.criteria[criterion.name].weight,
      limit: limitOf(policy.criteria, criterion.name),
      assume: policy.criteria[criterion.name].assume,
    }));
    this.effectiveTerms = this.terms.filter(
      ({ weight, limit }) => weight > 0 || limit !== undefined,
    );
    this.masters = prepareMasters(masters, this.places, policy.prices);
    this.pins = new Map(Object.entries(policy.pins));
  }

  prepare(facts: MemberFacts): PreparedMember {
    const place = this.places.ofMember(facts);
    const { bytesPerDay } = facts;
    return {
      facts,
      coordinates: coordinatesOf(place),
      site: place.site,
      jurisdiction: place.jurisdiction,
      gbPer30Days:
        bytesPerDay === undefined
          ? this.policy.prices.assumedGbPer30Days
          : (bytesPerDay * daysPerPeriod) / bytesPerGb,
    };
  }

  /** The score, or Infinity for a master that is excluded by what is known of the two. */
  score(member: PreparedMember, master: MasterName): number {
    const pair = this.pairOf(member, master);
    if (!pair?.measurement.servesControl) return Infinity;
    let score = 0;
    for (const term of this.effectiveTerms) {
      const value = readTerm(term, pair) ?? term.assume;
      if (value === undefined || exceeds(term, value)) return Infinity;
      score += pointsOf(term, value);
    }
    return score;
  }

  /** Whether the master answers the member, both its probes and on its control port. */
  reaches(member: PreparedMember, master: MasterName): boolean {
    return this.pairOf(member, master)?.measurement.servesControl ?? false;
  }

  /** Why `score` is Infinity; empty when it is not. */
  exclusionsOfMaster(member: PreparedMember, master: MasterName): readonly Exclusion[] {
    const pair = this.pairOf(member, master);
    if (!pair) return [{ kind: 'unreachable' }];
    const limits = this.effectiveTerms.flatMap((term) => exclusionsOfTerm(term, pair));
    return pair.measurement.servesControl ? limits : [{ kind: 'not-serving' }, ...limits];
  }

  /** All criteria, those without weight too; none for a master that nobody can reach. */
  explain(member: PreparedMember, master: MasterName): readonly CriterionShare[] {
    const pair = this.pairOf(member, master);
    if (!pair) return [];
    return this.terms.map((term) => {
      const measured = readTerm(term, pair);
      const value = measured ?? term.assume;
      return {
        criterion: term.criterion.name,
        unit: term.criterion.unit,
        ...(value === undefined ? {} : { value }),
        isAssumed: measured === undefined && value !== undefined,
        weight: term.weight,
        points: value === undefined ? 0 : pointsOf(term, value),
      };
    });
  }

  /** Undefined unless a pin says another place. */
  pinAgainst(
    member: Pick<MemberFacts, 'name' | 'namesItself'>,
    subset: Pick<SubsetFacts, 'name' | 'acting'>,
  ): Exclusion | undefined {
    const pin = this.isPinned(member) ? this.pins.get(member.name) : undefined;
    if (!pin) return undefined;
    const fits =
      (pin.master ?? subset.acting) === subset.acting &&
      (pin.subset ?? subset.name) === subset.name;
    if (fits) return undefined;
    return {
      kind: 'pinned',
      ...(pin.master ? { master: pin.master } : {}),
      ...(pin.subset ? { subset: pin.subset } : {}),
    };
  }

  /** Whether a pin says anything of the member. */
  isPinned({ name, namesItself }: Pick<MemberFacts, 'name' | 'namesItself'>): boolean {
    return !namesItself && this.pins.has(name);
  }

  private pairOf(member: PreparedMember, name: MasterName): Pair | undefined {
    const measurement = member.facts.measurements.get(name);
    const master = this.masters.get(name);
    if (!measurement || !master) return undefined;
    return { measurement, member, master };
  }
}

function prepareMasters(
  masters: readonly MasterFacts[],
  places: PlaceBook,
  { mastersPerGb, otherwisePerGb, links }: PlacementPolicy['prices'],
): ReadonlyMap<MasterName, PreparedMaster> {
  const prices = new Map<string, number>(Object.entries(mastersPerGb));
  const linksTo = Map.groupBy(links, ({ master }) => master);
  return new Map(
    masters.map(({ name }) => [
      name,
      {
        coordinates: coordinatesOf(places.placeOfMaster(name)),
        pricePerGb: prices.get(name) ?? otherwisePerGb,
        linkPricesPerGb: new Map(linksTo.get(name)?.map(({ site, perGb }) => [site, perGb])),
      },
    ]),
  );
}

/** What is no number says nothing. */
function readTerm({ criterion }: Term, pair: Pair): number | undefined {
  const value = criterion.read(pair);
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

const pointsOf = ({ criterion, weight }: Term, value: number): number =>
  weight * criterion.burden(value);

const exceeds = ({ criterion, limit }: Term, value: number): boolean =>
  limit !== undefined && !keepsLimit(criterion.name, value, limit);

function exclusionsOfTerm(term: Term, pair: Pair): readonly Exclusion[] {
  const { criterion, limit, assume } = term;
  const measured = readTerm(term, pair);
  const value = measured ?? assume;
  if (value === undefined) return [{ kind: 'unmeasured', criterion: criterion.name }];
  if (limit === undefined || !exceeds(term, value)) return [];
  const isAssumed = measured === undefined;
  return [{ kind: 'limit', criterion: criterion.name, value, limit, isAssumed }];
}

/** How many members each master may act for; those that are not in it have no limit. */
export function capacitiesOf(
  masters: readonly MasterFacts[],
  policy: PlacementPolicy,
): ReadonlyMap<MasterName, number> {
  const declared = new Map(Object.entries(policy.capacities));
  return new Map(masters.map(({ name }) => [name, declared.get(name) ?? Infinity]));
}
