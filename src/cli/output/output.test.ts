import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDurationMs } from '../option-values.ts';
import { formatBytes, formatDuration, formatRelative } from './human-units.ts';
import { formatFields, formatTable } from './table.ts';

test('columns are aligned, numbers to the right, and no line ends in spaces', () => {
  const columns = [
    { heading: 'NAME', cell: ({ name }: { name: string }) => name },
    { heading: 'N', cell: ({ n }: { n: number }) => String(n), align: 'right' as const },
    { heading: 'NOTE', cell: () => '' },
  ];
  const rows = [
    { name: 'a', n: 5 },
    { name: 'longer', n: 123 },
  ];
  assert.equal(
    formatTable<{ name: string; n: number }>(columns, rows),
    'NAME      N  NOTE\na         5\nlonger  123\n',
  );
});

test('text from elsewhere cannot move the cursor or start a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const table = formatTable([{ heading: 'X', cell: () => text }], [{}]);
      const controls = [...table.matchAll(/\p{Cc}/gu)].map(([control]) => control);
      assert.deepEqual(controls, ['\n', '\n']);
    }),
  );
  assert.equal(
    formatFields([
      ['a', 'x\u{1b}[31m'],
      ['b', undefined],
    ]),
    'a  x\u{fffd}[31m\n',
  );
});

test('lengths of time are told in their two greatest units', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0.4, '0 ms'],
    [450, '450 ms'],
    [12_900, '12 s'],
    [60_000, '1 min'],
    [185_000, '3 min 5 s'],
    [7_800_000, '2 h 10 min'],
    [86_400_000, '1 d'],
    [529_200_000, '6 d 3 h'],
  ];
  for (const [durationMs, text] of cases) assert.equal(formatDuration(durationMs), text);
  assert.equal(formatRelative(1_000, 13_000), '12 s ago');
  assert.equal(formatRelative(13_000, 1_000), 'in 12 s');
});

test('sizes have at most three digits before the unit', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(1_536), '1.5 KiB');
  assert.equal(formatBytes(12 * 1_048_576), '12 MiB');
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      assert.match(formatBytes(bytes), /^(\d{1,4}|\d\.\d) [KMGTP]?i?B$/);
    }),
  );
});

test('lengths of time are read with a unit, and nothing else is taken for one', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['500ms', 500],
    ['90s', 90_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
    ['24', undefined],
    ['h', undefined],
    ['-1h', undefined],
    ['1.5h', undefined],
    ['1 h', undefined],
  ];
  for (const [text, durationMs] of cases) assert.equal(parseDurationMs(text), durationMs, text);
});
