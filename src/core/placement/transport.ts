/*
 * The transportation problem: rows (members) to columns (masters) with capacities, at the least total
 * cost, exactly. Shortest augmenting paths with prices (R. K. Ahuja, T. L. Magnanti, J. B. Orlin,
 * "Network Flows", 1993, §9.7 and §12.4), on a graph of the columns alone: the arc from one column to
 * another is the row that could be switched at the least extra cost. Prices come from every fourth
 * row, and those from every sixteenth, …, so that few paths remain to be found for all of them.
 */

import { ShortestPaths } from './shortest-paths.ts';

/** What a row costs in a column; Infinity where it may not be. Always the same for the same two. */
export interface CostMatrix {
  readonly rows: number;
  readonly columns: number;
  at(row: number, column: number): number;
  /** All of a row at once, into the beginning of an array. */
  readRow(row: number, into: Float64Array): void;
  /** What it costs to leave a row out: more than any chain of switches could save. */
  readonly leftOut: number;
}

const coarserBy = 4;
/** With fewer rows than this, prices from a part of them would not pay. */
const smallestSample = 512;

export interface ColumnAssignment {
  /** By row; the number of columns where a row has to be left out. */
  readonly columnOf: Int32Array;
  /** By column: what one place more in it would save. */
  readonly prices: Float64Array;
}

/**
 * Of equally good assignments it is always the same.
 * @param capacities whole numbers, one for each column
 * @param prices of a problem much like this one, one for each column: with them it takes less time
 */
export function assignToColumns(
  costs: CostMatrix,
  capacities: readonly number[],
  prices?: Float64Array,
): ColumnAssignment {
  return solve(costs, capacities, { stride: 1, ...(prices ? { prices } : {}) });
}

/** Solves for every `stride`th row, with as much less room. */
function solve(
  costs: CostMatrix,
  capacities: readonly number[],
  { stride, prices }: { readonly stride: number; readonly prices?: Float64Array },
): ColumnAssignment {
  const isWorthSampling = !prices && costs.rows >= stride * coarserBy * smallestSample;
  const sample = isWorthSampling && solve(costs, capacities, { stride: stride * coarserBy });
  const startPrices = new Float64Array(costs.columns + 1);
  startPrices.set(prices ?? (sample ? sample.prices : []));
  const transport = new Transport(costs, { capacities, stride, prices: startPrices });
  transport.balance();
  const { columnOf } = transport;
  return { columnOf, prices: transport.prices.subarray(0, costs.columns) };
}

interface TransportStart {
  readonly capacities: readonly number[];
  readonly stride: number;
  /** One for each column and 0 for the rest; 0 or more. */
  readonly prices: Float64Array<ArrayBuffer>;
}

/**
 * What holds at any time, and makes the end an optimum: every row is where its cost and the column's
 * price together are least; free places are in columns whose price is 0, or none are free. Only the
 * loads may be wrong until they are balanced. One more column, the last, is for rows that are left
 * out; it never fills, so its price is 0, and free places move to and from it at no cost.
 */
class Transport {
  readonly prices: Float64Array<ArrayBuffer>;
  /** By row; only every `stride`th is used. */
  readonly columnOf: Int32Array<ArrayBuffer>;
  private readonly rest: number;
  private readonly width: number;
  private readonly rowsOf: number[][];
  /** Where in `rowsOf` a row is. */
  private readonly indexOf: Int32Array;
  /** Rows and free places that are in a column beyond its capacity; below 0 for places that nobody has taken yet. */
  private readonly excess: Int32Array;
  /** Places of a column that are known to stay free. */
  private readonly free: Int32Array;
  /** By arc: the least extra cost of switching a row from one column to another; a lower bound while the row is unknown. */
  private readonly switchCost: Float64Array;
  /** By arc: that row, or the number of rows where there is none; -1 while nobody has needed to know it. */
  private readonly switchRow: Int32Array;
  /** By row: what it costs where it is. */
  private readonly ownCost: Float64Array;
  /** What one row costs in each column, the last one too. */
  private readonly row: Float64Array;
  private readonly paths: ShortestPaths;
  private readonly costs: CostMatrix;

  constructor(costs: CostMatrix, { capacities, stride, prices }: TransportStart) {
    this.costs = costs;
    this.prices = prices;
    this.rest = costs.columns;
    this.width = costs.columns + 1;
    this.columnOf = new Int32Array(costs.rows);
    this.indexOf = new Int32Array(costs.rows);
    this.rowsOf = Array.from({ length: this.width }, () => []);
    this.excess = new Int32Array(this.width);
    this.free = new Int32Array(this.width);
    this.switchCost = new Float64Array(this.width ** 2).fill(Infinity);
    this.switchRow = new Int32Array(this.width ** 2).fill(costs.rows);
    this.ownCost = new Float64Array(costs.rows);
    this.row = new Float64Array(this.width);
    this.paths = new ShortestPaths(this.width);
    for (let row = 0; row < costs.rows; row += stride) {
      this.readRow(row);
      this.insert(row, this.cheapestColumn());
    }
    const share = Math.ceil(costs.rows / stride) / Math.max(1, costs.rows);
    capacities.forEach((capacity, column) => {
      this.openPlaces(column, Math.ceil(Math.min(capacity, costs.rows) * share));
    });
  }

  /** Brings all loads to what the capacities allow, by one shortest path after the other. */
  balance(): void {
    for (;;) {
      const sources = this.columnsWhere((excess) => excess > 0);
      const sinks = this.columnsWhere((excess) => excess < 0);
      if (sources.length > 0) this.augment(sources, [...sinks, this.rest]);
      else if (sinks.length > 0) this.augment([this.rest], sinks);
      else return;
    }
  }

  private columnsWhere(matches: (excess: number) => boolean): number[] {
    const found: number[] = [];
    for (let column = 0; column < this.rest; column += 1) {
      if (matches(this.excess[column] ?? 0)) found.push(column);
    }
    return found;
  }

  private costAt(row: number, column: number): number {
    return column === this.rest ? this.costs.leftOut : this.costs.at(row, column);
  }

  private readRow(row: number): void {
    this.costs.readRow(row, this.row);
    this.row[this.rest] = this.costs.leftOut;
  }

  /** Of the row that was read. */
  private cheapestColumn(): number {
    let best = this.rest;
    let least = Infinity;
    for (let column = 0; column < this.width; column += 1) {
      const cost = (this.row[column] ?? Infinity) + (this.prices[column] ?? 0);
      if (cost >= least) continue;
      best = column;
      least = cost;
    }
    return best;
  }

  private openPlaces(column: number, capacity: number): void {
    const load = this.rowsOf[column]?.length ?? 0;
    const isFree = this.prices[column] === 0;
    this.free[column] = isFree ? Math.max(0, capacity - load) : 0;
    this.excess[column] = load + (this.free[column] ?? 0) - capacity;
  }

  private augment(sources: readonly number[], sinks: readonly number[]): void {
    const { paths, rest } = this;
    const sink = paths.find(sources, sinks, this);
    this.changePrices(sink);
    const path = paths.pathTo(sink);
    const source = path[0] ?? sink;
    const isDirect = source === rest && path.length === 2 && this.isFreeMove(source, sink);
    // Free places that come from the rest alone come all at once.
    const units = isDirect ? -(this.excess[sink] ?? 0) : 1;
    this.shift(path, units);
    if (source !== rest) this.excess[source] = (this.excess[source] ?? 0) - units;
    if (sink !== rest) this.excess[sink] = (this.excess[sink] ?? 0) + units;
  }

  /** Columns that are nearer than the sink get dearer by as much, so that the path costs nothing. */
  private changePrices(sink: number): void {
    const { paths, prices, rest } = this;
    const base = -paths.distanceUpTo(sink, rest);
    for (let column = 0; column < rest; column += 1) {
      const price = (prices[column] ?? 0) - paths.distanceUpTo(sink, column) - base;
      prices[column] = Math.max(0, price);
    }
  }

  /** What a row more in `to` and one less in `from` costs beyond the prices; 0 or more, but for rounding. */
  lengthOf(from: number, to: number, limit: number): number {
    const prices = (this.prices[to] ?? 0) - (this.prices[from] ?? 0);
    if (this.isFreeMove(from, to)) return Math.max(0, prices);
    const arc = from * this.width + to;
    const length = Math.max(0, (this.switchCost[arc] ?? Infinity) + prices);
    if (length >= limit || this.switchRow[arc] !== -1) return length;
    this.findSwitch(from, to);
    return this.lengthOf(from, to, limit);
  }

  /** Whether a free place takes the arc, rather than a row. */
  private isFreeMove(from: number, to: number): boolean {
    if (from !== this.rest && to !== this.rest) return false;
    if ((this.switchCost[from * this.width + to] ?? Infinity) <= 0) return false;
    return from === this.rest || (this.free[from] ?? 0) > 0;
  }

  private shift(path: readonly number[], units: number): void {
    const arcs = path.slice(1).map((to, index) => {
      const from = path[index] ?? to;
      const isFree = this.isFreeMove(from, to);
      return { from, to, isFree, row: this.switchRow[from * this.width + to] ?? -1 };
    });
    for (const { from, to, isFree, row } of arcs) {
      if (!isFree) this.move(row, from, to);
      else if (from === this.rest) this.free[to] = (this.free[to] ?? 0) + units;
      else this.free[from] = (this.free[from] ?? 0) - units;
    }
  }

  private move(row: number, from: number, to: number): void {
    const rows = this.rowsOf[from] ?? [];
    const last = rows.pop() ?? row;
    if (last !== row) {
      const index = this.indexOf[row] ?? 0;
      rows[index] = last;
      this.indexOf[last] = index;
    }
    this.readRow(row);
    this.insert(row, to);
    for (let arc = from * this.width; arc < (from + 1) * this.width; arc += 1) {
      // Whoever is next costs no less: the bound stays.
      if (this.switchRow[arc] === row) this.switchRow[arc] = -1;
    }
  }

  /** @param row the one that was read */
  private insert(row: number, column: number): void {
    const rows = this.rowsOf[column] ?? [];
    this.indexOf[row] = rows.length;
    rows.push(row);
    this.columnOf[row] = column;
    const cost = this.row[column] ?? Infinity;
    this.ownCost[row] = cost;
    for (let to = 0; to < this.width; to += 1) {
      if (to !== column) {
        this.offerSwitch(row, column * this.width + to, (this.row[to] ?? Infinity) - cost);
      }
    }
  }

  private offerSwitch(row: number, arc: number, cost: number): void {
    const least = this.switchCost[arc] ?? Infinity;
    if (cost > least || (cost === least && row > (this.switchRow[arc] ?? -1))) return;
    this.switchCost[arc] = cost;
    this.switchRow[arc] = row;
  }

  private findSwitch(from: number, to: number): void {
    const arc = from * this.width + to;
    this.switchCost[arc] = Infinity;
    this.switchRow[arc] = this.costs.rows;
    for (const row of this.rowsOf[from] ?? []) {
      this.offerSwitch(row, arc, this.costAt(row, to) - (this.ownCost[row] ?? Infinity));
    }
  }
}
