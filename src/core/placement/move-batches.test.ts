import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName } from '../../model/names.ts';
import { planBatches, type Transfer } from './move-batches.ts';

interface Named extends Transfer {
  readonly name: string;
}

/** "x: a to b" */
function transfer(text: string): Named {
  const [name = '', from = '', master = ''] = text.split(/: | to /);
  return {
    name,
    master: parseMasterName(master),
    isJoin: from === '',
    ...(from === '' ? {} : { fromMaster: parseMasterName(from) }),
  };
}

function batchesOf(texts: readonly string[], full: readonly string[], movesPerBatch: number) {
  const loads = new Map(full.map((name) => [parseMasterName(name), 1]));
  const { batches, postponed } = planBatches(texts.map(transfer), {
    loads,
    capacities: loads,
    movesPerBatch,
  });
  const names = (list: readonly Named[]) => list.map(({ name }) => name).join(' ');
  return [...batches.map(names), `later: ${names(postponed)}`];
}

test('a place is given when it has become free', () => {
  const texts = ['x: a to b', 'y: b to c', 'z: c to d'];
  assert.deepEqual(batchesOf(texts, ['a', 'b', 'c'], 1), ['z', 'y', 'x', 'later: ']);
});

test('a ring through full masters moves in one batch', () => {
  const texts = ['w: d to e', 'x: a to b', 'y: b to c', 'z: c to a'];
  assert.deepEqual(batchesOf(texts, ['a', 'b', 'c'], 3), ['w', 'y z x', 'later: ']);
});

test('a ring that is larger than a batch is left out, and whoever waits for it', () => {
  const texts = ['x: a to b', 'y: b to a', 'new:  to a'];
  assert.deepEqual(batchesOf(texts, ['a', 'b'], 1), ['later: y x new']);
});

test('joins do not count as moves', () => {
  const texts = ['m:  to a', 'n:  to a', 'x: b to a'];
  assert.deepEqual(batchesOf(texts, [], 1), ['m n x', 'later: ']);
});
