import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Highs } from 'highs';
import * as highsModule from 'highs';
import { SeededRandom } from '../../../test/support/load/seeded-random.ts';
import { assignToColumns, type CostMatrix } from './transport.ts';

// Its types describe the CommonJS build; the build for `import` exports the loader itself.
const highs = await (highsModule.default as unknown as () => Promise<Highs>)();

function matrixOf(costs: readonly (readonly number[])[], columns: number): CostMatrix {
  return {
    rows: costs.length,
    columns,
    leftOut: 1e6,
    at: (row, column) => costs[row]?.[column] ?? Infinity,
    readRow: (row, into) => into.set(costs[row] ?? []),
  };
}

interface Instance {
  readonly costs: readonly (readonly number[])[];
  readonly capacities: readonly number[];
}

function assign({ costs, capacities }: Instance): { columnOf: Int32Array; total: number } {
  const { columnOf } = assignToColumns(matrixOf(costs, capacities.length), capacities);
  const total = columnOf.reduce((sum, column, row) => sum + (costs[row]?.[column] ?? 1e6), 0);
  return { columnOf, total };
}

/** The same as a linear program, whose corners are whole numbers, by a solver that shares nothing with ours. */
function exactTotal({ costs, capacities }: Instance): number {
  const pairs = costs.flatMap((row, at) =>
    row.flatMap((cost, column) => (cost < Infinity ? [{ at, column, cost }] : [])),
  );
  const out = costs.map((_, at) => `1000000 o${at}`);
  const model = [
    'Minimize',
    ` obj: ${[...pairs.map(({ at, column, cost }) => `${cost} x${at}_${column}`), ...out].join('\n + ')}`,
    'Subject To',
    ...costs.map((_, at) => {
      const own = pairs.filter((pair) => pair.at === at).map(({ column }) => `x${at}_${column}`);
      return ` r${at}: ${[...own, `o${at}`].join(' + ')} = 1`;
    }),
    ...capacities.flatMap((capacity, column) => {
      const own = pairs
        .filter((pair) => pair.column === column)
        .map(({ at }) => `x${at}_${column}`);
      return own.length === 0 ? [] : [` c${column}: ${own.join(' + ')} <= ${capacity}`];
    }),
    'End',
  ];
  const solution = highs.solve(model.join('\n'));
  assert.equal(solution.Status, 'Optimal');
  return solution.ObjectiveValue;
}

function assertWithinCapacity(
  { columnOf }: { columnOf: Int32Array },
  { capacities }: Instance,
): void {
  capacities.forEach((capacity, column) => {
    assert.ok(columnOf.filter((each) => each === column).length <= capacity);
  });
}

const isNear = (value: number, exact: number): boolean =>
  Math.abs(value - exact) <= 1e-6 * Math.max(1, exact);

test('what no column may have or has room for is left out, and nothing else', () => {
  const costs = [
    [1, Infinity],
    [2, 9],
    [Infinity, Infinity],
  ];
  assert.deepEqual([...assign({ costs, capacities: [1, 1] }).columnOf], [0, 1, 2]);
  assert.deepEqual([...assign({ costs, capacities: [1, 0] }).columnOf], [0, 2, 2]);
  assert.deepEqual([...assign({ costs, capacities: [0, 5] }).columnOf], [2, 1, 2]);
  assert.deepEqual([...assign({ costs: [], capacities: [1] }).columnOf], []);
  assert.deepEqual([...assign({ costs: [[]], capacities: [] }).columnOf], [0]);
});

test('of equal columns the first is taken', () => {
  assert.deepEqual(
    [
      ...assign({
        costs: [
          [3, 3],
          [3, 3],
        ],
        capacities: [9, 9],
      }).columnOf,
    ],
    [0, 0],
  );
});

const someInstance = fc
  .record({ rows: fc.integer({ min: 1, max: 12 }), columns: fc.integer({ min: 1, max: 5 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      costs: fc.array(
        fc.array(
          fc.oneof(
            { weight: 5, arbitrary: fc.nat(9) },
            { weight: 1, arbitrary: fc.constant(Infinity) },
          ),
          {
            minLength: columns,
            maxLength: columns,
          },
        ),
        { minLength: rows, maxLength: rows },
      ),
      capacities: fc.array(fc.nat(5), { minLength: columns, maxLength: columns }),
    }),
  );

test('small problems with many ties are solved exactly', () => {
  fc.assert(
    fc.property(someInstance, (instance) => {
      const assignment = assign(instance);
      assertWithinCapacity(assignment, instance);
      assert.ok(isNear(assignment.total, exactTotal(instance)));
    }),
    { numRuns: 150 },
  );
});

/** Rows and columns on a plane, the rows crowded in one corner. @param spare how much more room there is than rows */
function crowd(rows: number, columns: number, spare: number, seed: number): Instance {
  const random = new SeededRandom(seed);
  const within = (power: number): number => 100 * random.next() ** power;
  const places = Array.from({ length: columns }, () => ({ x: within(1), y: within(1) }));
  return {
    costs: Array.from({ length: rows }, () => {
      const [x, y] = [within(3), within(3)];
      return places.map((place) => Number(Math.hypot(x - place.x, y - place.y).toFixed(6)));
    }),
    capacities: places.map(() => Math.ceil((rows * (1 + spare)) / columns)),
  };
}

for (const [rows, columns, spare] of [
  [500, 20, 0.1],
  [500, 20, 0],
  [300, 7, 0.5],
] as const) {
  test(`${rows} rows and ${columns} columns, ${100 * spare} % spare: as good as an exact solver`, () => {
    const instance = crowd(rows, columns, spare, rows + columns);
    const assignment = assign(instance);
    assertWithinCapacity(assignment, instance);
    assert.ok(isNear(assignment.total, exactTotal(instance)));
  });
}

test('prices from a sample of many rows, from before, or from nowhere lead to the same total', () => {
  const instance = crowd(9_000, 12, 0.05, 3);
  const costs = matrixOf(instance.costs, instance.capacities.length);
  const total = (columnOf: Int32Array): number =>
    columnOf.reduce((sum, column, row) => sum + costs.at(row, column), 0);
  const sampled = assignToColumns(costs, instance.capacities);
  const again = assignToColumns(costs, instance.capacities, sampled.prices);
  const flat = assignToColumns(costs, instance.capacities, new Float64Array(costs.columns));
  const wild = assignToColumns(
    costs,
    instance.capacities,
    new Float64Array(costs.columns).fill(50),
  );
  for (const { columnOf } of [again, flat, wild]) {
    assertWithinCapacity({ columnOf }, instance);
    assert.ok(isNear(total(columnOf), total(sampled.columnOf)));
  }
});
