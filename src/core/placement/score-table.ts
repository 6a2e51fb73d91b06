import type { MasterName, MemberName, SubsetName } from '../../model/names.ts';
import { compareNames } from './compare-names.ts';
import type { PreparedMember } from './criteria.ts';
import type { MemberFacts, SubsetFacts, World } from './facts.ts';
import type { PlacementPolicy } from './policy.ts';
import { Scorer } from './scorer.ts';

/** Who a member is: names are unique in a subset only. */
export interface MemberId {
  readonly name: MemberName;
  /** Where it is now; absent for one that has no place yet. */
  readonly subset?: SubsetName | undefined;
}

/** Members that may be in the same subsets. */
interface Kind {
  readonly allowed: ReadonlySet<SubsetName>;
  /** By column: where a newcomer goes, the first by name. */
  readonly newcomers: readonly (SubsetName | undefined)[];
}

/** What one master after the other costs one member after the other; rows and columns are sorted by name. */
export class ScoreTable {
  readonly members: readonly MemberId[];
  readonly masters: readonly MasterName[];
  /** By row: the column of the master that acts for the member now, allowed or not; -1 for none. */
  readonly currentColumns: Int32Array;
  private readonly scores: Float64Array;
  private readonly kinds: readonly Kind[];
  private largest = 0;

  /** Without scores; `scoreMembers` builds whole ones. @param kinds by row */
  constructor(
    {
      members,
      masters,
      currentColumns,
    }: Pick<ScoreTable, 'members' | 'masters' | 'currentColumns'>,
    kinds: readonly Kind[],
  ) {
    this.members = members;
    this.masters = masters;
    this.currentColumns = currentColumns;
    this.scores = new Float64Array(members.length * masters.length);
    this.kinds = kinds;
  }

  /** Infinity where the member may not be. */
  at(row: number, column: number): number {
    return this.scores[row * this.masters.length + column] ?? Infinity;
  }

  /** Scores of one row into the beginning of an array. */
  readRow(row: number, into: Float64Array): void {
    const start = row * this.masters.length;
    into.set(this.scores.subarray(start, start + this.masters.length));
  }

  /** For whoever builds the table, once for each pair. */
  write(row: number, column: number, score: number): void {
    this.scores[row * this.masters.length + column] = score;
    if (score > this.largest && score < Infinity) this.largest = score;
  }

  /**
   * Takes over what another table has of the same members, row by row.
   * @param columns by column of this one: that of the other, or -1 for a column that is not in it
   */
  copy(other: ScoreTable, columns: Int32Array): void {
    const { scores } = this;
    const [from, width, otherWidth] = [other.scores, columns.length, other.masters.length];
    for (let row = 0; row < this.members.length; row += 1) {
      const [at, otherAt] = [row * width, row * otherWidth];
      for (let column = 0; column < width; column += 1) {
        const source = columns[column] ?? -1;
        if (source >= 0) scores[at + column] = from[otherAt + source] ?? Infinity;
      }
    }
    this.largest = Math.max(this.largest, other.largest);
  }

  /** Of the place that the member has: Infinity when it may not stay there, or has none. */
  currentScore(row: number): number {
    const column = this.currentColumns[row] ?? -1;
    return this.staysIn(row, column) ? this.at(row, column) : Infinity;
  }

  /** No pair that may be has a greater one; 0 when there are none. */
  get largestScore(): number {
    return this.largest;
  }

  /** Which of the master's subsets the member would be in: its own, else the first by name. */
  subsetAt(row: number, column: number): SubsetName | undefined {
    if (this.staysIn(row, column)) return this.members[row]?.subset;
    return this.kinds[row]?.newcomers[column];
  }

  private staysIn(row: number, column: number): boolean {
    const subset = this.members[row]?.subset;
    if (subset === undefined || column < 0 || this.currentColumns[row] !== column) return false;
    return this.kinds[row]?.allowed.has(subset) ?? false;
  }
}

/**
 * Scores every member with every master, which is most of a plan's work.
 * @param previous a table of the same members and policy, of which the scores of all masters but the
 *   `changed` still hold; a master has changed too when the records of its subsets have, or what is
 *   known of a backup of theirs
 */
export function scoreMembers(
  members: readonly MemberFacts[],
  world: World,
  policy: PlacementPolicy,
  previous?: { readonly table: ScoreTable; readonly changed: ReadonlySet<MasterName> },
): ScoreTable {
  const scorer = new Scorer(world, policy);
  const sorted = (previous ? inOrderOf(previous.table, members) : [...members]).sort(
    compareMembers,
  );
  const masters = world.masters.map(({ name }) => name).sort(compareNames);
  const kindOf = new KindFinder(world, masters, scorer);
  const columnOfSubset = new Map(
    world.subsets.map(({ name, acting }) => [name, masters.indexOf(acting)]),
  );
  const columnOf = ({ subset }: MemberFacts): number =>
    (subset === undefined ? undefined : columnOfSubset.get(subset)) ?? -1;
  const prepared = sorted.map((facts) => scorer.prepare(facts));
  const table = new ScoreTable(
    {
      members: sorted.map(({ name, subset }) => ({ name, subset })),
      masters,
      currentColumns: Int32Array.from(sorted, columnOf),
    },
    prepared.map((member) => kindOf.find(member)),
  );
  fillScores(table, { prepared, scorer, ...(previous ? { previous } : {}) });
  return table;
}

interface ScoreSources {
  readonly prepared: readonly PreparedMember[];
  readonly scorer: Scorer;
  readonly previous?: NonNullable<Parameters<typeof scoreMembers>[3]>;
}

function fillScores(table: ScoreTable, { prepared, scorer, previous }: ScoreSources): void {
  const { masters } = table;
  /** By column: the one that the master had, if its scores still hold. */
  const before = Int32Array.from(masters, (master) =>
    previous && !previous.changed.has(master) ? previous.table.masters.indexOf(master) : -1,
  );
  if (previous) table.copy(previous.table, before);
  const anew = masters
    .map((master, column) => ({ master, column }))
    .filter(({ column }) => (before[column] ?? -1) < 0);
  prepared.forEach((member, row) => {
    for (const { master, column } of anew) {
      const isCandidate = table.subsetAt(row, column) !== undefined;
      table.write(row, column, isCandidate ? scorer.score(member, master) : Infinity);
    }
  });
}

/** The members in the order that a table has them in by name, so that sorting has little left to do. */
function inOrderOf({ members: known }: ScoreTable, members: readonly MemberFacts[]): MemberFacts[] {
  const rows = new Map(known.map(({ name }, row) => [name, row]));
  const byRow = new Array<MemberFacts | undefined>(known.length).fill(undefined);
  const others: MemberFacts[] = [];
  for (const member of members) {
    const row = rows.get(member.name) ?? -1;
    if (row >= 0 && byRow[row] === undefined) byRow[row] = member;
    else others.push(member);
  }
  return [...byRow.filter((member) => member !== undefined), ...others];
}

/** Members with the same jurisdiction and no pin are of one kind. */
class KindFinder {
  private readonly kinds = new Map<string, Kind>();
  private readonly subsets: readonly SubsetFacts[];
  private readonly draining: ReadonlySet<MasterName>;
  private readonly masters: readonly MasterName[];
  private readonly scorer: Scorer;

  constructor({ subsets, masters }: World, sortedMasters: readonly MasterName[], scorer: Scorer) {
    this.subsets = subsets.toSorted((one, other) => compareNames(one.name, other.name));
    this.draining = new Set(masters.flatMap(({ name, isDraining }) => (isDraining ? [name] : [])));
    this.masters = sortedMasters;
    this.scorer = scorer;
  }

  find(member: PreparedMember): Kind {
    const pinned = this.scorer.isPinned(member.facts) ? member.facts.name : '';
    const key = `${member.jurisdiction ?? ''} ${pinned}`;
    const known = this.kinds.get(key);
    if (known) return known;
    const kind = this.create(member);
    this.kinds.set(key, kind);
    return kind;
  }

  private create(member: PreparedMember): Kind {
    const { jurisdictions } = this.scorer;
    const allowed = this.subsets.filter(
      (subset) =>
        !this.scorer.pinAgainst(member.facts, subset) &&
        jurisdictions.exclusionsOfSubset(member.jurisdiction, subset).length === 0,
    );
    // Of several with one master the first by name.
    const ofMaster = new Map(allowed.toReversed().map(({ acting, name }) => [acting, name]));
    return {
      allowed: new Set(allowed.map(({ name }) => name)),
      newcomers: this.masters.map((master) =>
        this.draining.has(master) ? undefined : ofMaster.get(master),
      ),
    };
  }
}

function compareMembers(one: MemberId, other: MemberId): number {
  return compareNames(one.name, other.name) || compareNames(one.subset ?? '', other.subset ?? '');
}
