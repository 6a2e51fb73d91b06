import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import type { FailoverRecord } from '../../model/records/roll.ts';
import { planActingChange } from './takeover-record.ts';

const subset = parseSubsetName('hamburg');
const [elbe, trave] = [parseMasterName('elbe'), parseMasterName('trave')];
const times = { takenAtMs: 20, actingAtMs: 30 };
const free = { seenRevision: 0, noticedAtMs: 10 };

function lastTo(to: typeof elbe): FailoverRecord {
  const earlier = { noticedAtMs: 1, takenAtMs: 2, actingAtMs: 3 };
  return { version: 1, subset, to, change: 'started', ...earlier };
}

test('the first master ever to act has started the subset', () => {
  assert.deepEqual(planActingChange({ subset, to: elbe }, free, undefined, times), {
    ...{ version: 1, subset, to: elbe, change: 'started', noticedAtMs: 10 },
    ...times,
  });
});

test('a master that goes on after a restart is no change', () => {
  assert.equal(planActingChange({ subset, to: elbe }, free, lastTo(elbe), times), undefined);
});

test('a free lease is a takeover, from whoever was the last to act', () => {
  const change = planActingChange({ subset, to: trave }, free, lastTo(elbe), times);
  assert.deepEqual([change?.from, change?.change], ['elbe', 'took-over']);
});

test('a lease that was offered is what it was offered as', () => {
  for (const change of ['handed-over', 'returned'] as const) {
    const offered = { seenRevision: 7, noticedAtMs: 10, offered: { from: elbe, change } };
    const record = planActingChange({ subset, to: trave }, offered, lastTo(elbe), times);
    assert.equal(record?.change, change);
  }
});
