import type { MasterName, SubsetName } from '../../model/names.ts';
import { isWorthMoving, worthwhileScore } from './hysteresis.ts';
import { type MoveBatches, planBatches, type Transfer } from './move-batches.ts';
import type { PlacementPolicy } from './policy.ts';
import type { MemberId, ScoreTable } from './score-table.ts';
import { assignToColumns, type CostMatrix } from './transport.ts';

/**
 * Why a member gets another place:
 * - `join`: it has none.
 * - `lost`: nobody that is known acts for its subset.
 * - `excluded`: it may not stay, whatever else there is.
 * - `over-capacity`: its master has more members than it may have.
 * - `makes-room`: without it somebody would have no place.
 * - `better`: the other place is better by the hysteresis.
 */
export type MoveReason = 'join' | 'lost' | 'excluded' | 'over-capacity' | 'makes-room' | 'better';

/** What is done first. */
const urgency: Readonly<Record<MoveReason, number>> = {
  lost: 0,
  excluded: 1,
  'over-capacity': 2,
  'makes-room': 3,
  join: 4,
  better: 5,
};

export interface Move extends Transfer {
  readonly member: MemberId;
  readonly subset: SubsetName;
  readonly reason: MoveReason;
  readonly score: number;
  /** How much less than the place before; absent where that is none, or excluded. */
  readonly gain?: number;
}

export interface PlannedPlace {
  readonly member: MemberId;
  readonly subset: SubsetName;
  readonly master: MasterName;
  readonly score: number;
}

export interface PlacementPlan extends MoveBatches<Move> {
  /** Where everybody is when all has been done, by name. */
  readonly places: readonly PlannedPlace[];
  /**
   * Who has no place: no master may have it (`no-candidate`; `decidePlacement` says why for each), or
   * all that may are full (`no-room`). Nothing is done with those that are somewhere.
   */
  readonly unplaced: readonly {
    readonly member: MemberId;
    readonly because: 'no-candidate' | 'no-room';
  }[];
  /** Of all that have a place. */
  readonly totalScore: number;
  /** By how much the total would be less if a master could have one member more; 0 where it is not full. */
  readonly prices: ReadonlyMap<MasterName, number>;
}

/**
 * The places of all members together: the least total score with which everybody has a place, if that
 * can be, and no master more members than its capacity. Whoever has a place moves only where it is
 * better by the hysteresis, unless it has to. Sorted tables make it independent of who came first.
 * @param table of all members; what is in no table takes no room
 * @param previous the plan before something changed: the search begins where that one ended, takes
 *   a fraction of the time and finds as good a plan
 */
export function planPlacement(
  table: ScoreTable,
  capacities: ReadonlyMap<MasterName, number>,
  policy: Pick<PlacementPolicy, 'hysteresis' | 'movesPerMinute'>,
  previous?: Pick<PlacementPlan, 'prices'>,
): PlacementPlan {
  const capacityOf = (master: MasterName): number => capacities.get(master) ?? Infinity;
  const { columnOf, prices } = assignToColumns(
    new MovingCosts(table, policy.hysteresis),
    table.masters.map(capacityOf),
    previous && Float64Array.from(table.masters, (master) => previous.prices.get(master) ?? 0),
  );
  const loads = currentLoads(table);
  const moves: Move[] = [];
  const places: PlannedPlace[] = [];
  const unplaced: PlacementPlan['unplaced'][number][] = [];
  table.members.forEach((member, row) => {
    const place = placeAt(table, row, columnOf[row] ?? table.masters.length);
    if (place) places.push(place);
    else unplaced.push({ member, because: hasCandidate(table, row) ? 'no-room' : 'no-candidate' });
    if (!place || place.subset === member.subset) return;
    const fromMaster = table.masters[table.currentColumns[row] ?? -1];
    const isOver =
      fromMaster !== undefined && (loads.get(fromMaster) ?? 0) > capacityOf(fromMaster);
    const currentScore = table.currentScore(row);
    moves.push(createMove({ place, currentScore, fromMaster, isOver }, policy.hysteresis));
  });
  const batches = planBatches(moves.sort(compareMoves), {
    loads,
    capacities,
    movesPerBatch: policy.movesPerMinute,
  });
  const totalScore = places.reduce((sum, { score }) => sum + score, 0);
  return {
    places,
    unplaced,
    totalScore,
    prices: new Map(table.masters.map((master, column) => [master, prices[column] ?? 0])),
    ...batches,
  };
}

/**
 * Scores, with so much on top of whatever moves somebody without need that it is only done where
 * somebody would have no place otherwise, and leaving somebody out costs more than any chain of those.
 */
class MovingCosts implements CostMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly leftOut: number;
  private readonly table: ScoreTable;
  private readonly needless: number;
  /** By row. */
  private readonly currentScores: Float64Array;
  /** By row: up to which score a move is worth it. */
  private readonly worthwhile: Float64Array;

  constructor(table: ScoreTable, hysteresis: PlacementPolicy['hysteresis']) {
    this.table = table;
    this.rows = table.members.length;
    this.columns = table.masters.length;
    this.currentScores = Float64Array.from(table.members, (_, row) => table.currentScore(row));
    this.worthwhile = this.currentScores.map((score) => worthwhileScore(score, hysteresis));
    // A chain of switches passes each column once at most.
    const largest = Math.max(1, table.largestScore);
    this.needless = (this.columns + 1) * largest;
    this.leftOut = (this.columns + 1) * (this.needless + largest);
  }

  at(row: number, column: number): number {
    const score = this.table.at(row, column);
    return this.isNeedless(row, column, score) ? score + this.needless : score;
  }

  readRow(row: number, into: Float64Array): void {
    this.table.readRow(row, into);
    const { columns, needless } = this;
    const [current = Infinity, own] = [this.currentScores[row], this.table.currentColumns[row]];
    const worthwhile = this.worthwhile[row] ?? 0;
    if (current === Infinity) return;
    // As `isNeedless`, once for each pair of a large plan.
    for (let column = 0; column < columns; column += 1) {
      const score = into[column] ?? Infinity;
      if (column !== own && !(score < current && score <= worthwhile)) {
        into[column] = score + needless;
      }
    }
  }

  private isNeedless(row: number, column: number, score: number): boolean {
    const current = this.currentScores[row] ?? Infinity;
    if (current === Infinity || column === this.table.currentColumns[row]) return false;
    return !(score < current && score <= (this.worthwhile[row] ?? 0));
  }
}

function placeAt(table: ScoreTable, row: number, column: number): PlannedPlace | undefined {
  const [member, master] = [table.members[row], table.masters[column]];
  const subset = table.subsetAt(row, column);
  if (!member || master === undefined || subset === undefined) return undefined;
  return { member, subset, master, score: table.at(row, column) };
}

function hasCandidate(table: ScoreTable, row: number): boolean {
  return table.masters.some((_, column) => table.at(row, column) < Infinity);
}

/** Everybody who is there, also those who may not stay. */
function currentLoads({ masters, currentColumns }: ScoreTable): ReadonlyMap<MasterName, number> {
  const loads = new Map<MasterName, number>();
  for (const column of currentColumns) {
    const master = masters[column];
    if (master !== undefined) loads.set(master, (loads.get(master) ?? 0) + 1);
  }
  return loads;
}

interface MoveFacts {
  readonly place: PlannedPlace;
  readonly currentScore: number;
  readonly fromMaster: MasterName | undefined;
  /** The master that acts for it now has more members than it may have. */
  readonly isOver: boolean;
}

function createMove(facts: MoveFacts, hysteresis: PlacementPolicy['hysteresis']): Move {
  const { place, currentScore, fromMaster } = facts;
  const reason = reasonOf(facts, hysteresis);
  return {
    ...place,
    fromMaster,
    reason,
    isJoin: reason === 'join',
    ...(currentScore < Infinity ? { gain: currentScore - place.score } : {}),
  };
}

function reasonOf(
  { place, currentScore, fromMaster, isOver }: MoveFacts,
  hysteresis: PlacementPolicy['hysteresis'],
): MoveReason {
  if (place.member.subset === undefined) return 'join';
  if (fromMaster === undefined) return 'lost';
  if (currentScore === Infinity) return 'excluded';
  if (isWorthMoving(currentScore, place.score, hysteresis)) return 'better';
  return isOver ? 'over-capacity' : 'makes-room';
}

/** Who has to move goes first; then those that gain most. Sorting is stable, so the rest is by name. */
function compareMoves(one: Move, other: Move): number {
  return urgency[one.reason] - urgency[other.reason] || (other.gain ?? 0) - (one.gain ?? 0);
}
