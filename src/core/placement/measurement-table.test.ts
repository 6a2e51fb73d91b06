import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMeasurement } from '../../../test/support/placement-world.ts';
import { parseMasterName } from '../../model/names.ts';
import { MeasurementTable } from './measurement-table.ts';

const [fra, ams, ash] = ['fra', 'ams', 'ash'].map(parseMasterName);
assert.ok(fra && ams && ash);

test('what was measured is read again, to seven digits', () => {
  const table = new MeasurementTable(2, [fra, ams]);
  table.set(0, fra, aMeasurement(12.5, { hops: 7, servesControl: false }));
  table.set(1, fra, aMeasurement(30));
  const measured = table.row(0).get(fra);
  assert.deepEqual(
    [measured?.latencyMs, measured?.hops, measured?.servesControl],
    [12.5, 7, false],
  );
  assert.equal(table.row(1).get(fra)?.hops, undefined);
  assert.equal(table.row(0).get(ams), undefined);
});

test('whoever is not in it has measured nothing and cannot be entered', () => {
  const table = new MeasurementTable(1, [fra]);
  assert.equal(table.row(0).get(ash), undefined);
  assert.equal(table.row(5).get(fra), undefined);
  assert.throws(() => table.set(0, ash, aMeasurement(1)), RangeError);
  assert.throws(() => table.set(1, fra, aMeasurement(1)), RangeError);
});
