import type { MasterName } from '../../model/names.ts';
import type { Measurement, Measurements } from './facts.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Quantity = Exclude<keyof Measurement, 'servesControl'>;

const quantities: readonly Quantity[] = [
  'latencyMs',
  'jitterMs',
  'lossRatio',
  'hops',
  'asPathLength',
  'bandwidthBitsPerSecond',
];

/**
 * Measurements of very many pairs in four bytes for each quantity that is measured at all, where
 * objects would take 100: 20 million pairs fit into a process. Precise to seven digits.
 */
export class MeasurementTable {
  private readonly columnOf: ReadonlyMap<MasterName, number>;
  private readonly size: number;
  /** NaN where nothing was measured. */
  private readonly values = new Map<Quantity, Float32Array>();
  private readonly servesControl: Uint8Array;
  /** What is read goes into this one: millions of objects would stay in memory until they are collected. */
  private readonly last: Writable<Measurement> = {
    latencyMs: Number.NaN,
    jitterMs: Number.NaN,
    lossRatio: Number.NaN,
    hops: undefined,
    asPathLength: undefined,
    bandwidthBitsPerSecond: undefined,
    servesControl: false,
  };

  /** @param rows how many members there will be */
  constructor(rows: number, masters: readonly MasterName[]) {
    this.columnOf = new Map(masters.map((name, column) => [name, column]));
    this.size = rows * masters.length;
    this.servesControl = new Uint8Array(this.size);
  }

  /** @throws RangeError for a master that the table was not made for */
  set(row: number, master: MasterName, measurement: Measurement): void {
    const at = this.indexOf(row, master);
    if (at === undefined) throw new RangeError(`the table has no row ${row} with ${master}`);
    this.servesControl[at] = measurement.servesControl ? 1 : 0;
    for (const quantity of quantities) {
      const value = measurement[quantity];
      if (value !== undefined || this.values.has(quantity)) {
        this.valuesOf(quantity)[at] = value ?? Number.NaN;
      }
    }
  }

  /** What one member has measured. The table has one object for all answers: it holds until the next `get`. */
  row(row: number): Measurements {
    return { get: (master) => this.read(row, master) };
  }

  private read(row: number, master: MasterName): Measurement | undefined {
    const at = this.indexOf(row, master);
    const latencyMs = at === undefined ? undefined : this.valueAt('latencyMs', at);
    if (at === undefined || latencyMs === undefined) return undefined;
    const { last } = this;
    last.latencyMs = latencyMs;
    last.jitterMs = this.valueAt('jitterMs', at) ?? Number.NaN;
    last.lossRatio = this.valueAt('lossRatio', at) ?? Number.NaN;
    last.hops = this.valueAt('hops', at);
    last.asPathLength = this.valueAt('asPathLength', at);
    last.bandwidthBitsPerSecond = this.valueAt('bandwidthBitsPerSecond', at);
    last.servesControl = this.servesControl[at] === 1;
    return last;
  }

  private indexOf(row: number, master: MasterName): number | undefined {
    const column = this.columnOf.get(master);
    const at = column === undefined ? -1 : row * this.columnOf.size + column;
    return at >= 0 && at < this.size ? at : undefined;
  }

  private valueAt(quantity: Quantity, at: number): number | undefined {
    const value = this.values.get(quantity)?.[at];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  private valuesOf(quantity: Quantity): Float32Array {
    const known = this.values.get(quantity);
    if (known) return known;
    const created = new Float32Array(this.size).fill(Number.NaN);
    this.values.set(quantity, created);
    return created;
  }
}
