import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../store.ts';
import { revisionOf } from './change-log.ts';
import { ChangeWindow } from './change-window.ts';

const plenty = { maxChanges: 1_000_000, maxBytes: 1_000_000_000 };

function change(revision: number, bytes = 0): Change {
  const value = new Uint8Array(bytes);
  return { kind: 'put', entry: { key: 'key', value, createRevision: 1, modRevision: revision } };
}

/** So many changes for each revision from `first` on. */
function history(first: number, counts: readonly number[], bytes = 0): Change[] {
  return counts.flatMap((count, index) =>
    Array.from({ length: count }, () => change(first + index, bytes)),
  );
}

test('it has all changes after its start, whatever was appended and dropped', () => {
  const steps = fc.array(
    fc.record({ counts: fc.array(fc.integer({ min: 1, max: 5 })), drop: fc.nat({ max: 30 }) }),
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (all, maxChanges) => {
      const window = new ChangeWindow(7, { ...plenty, maxChanges });
      const appended: Change[] = [];
      for (const { counts, drop } of all) {
        const added = history(window.head + 1, counts);
        appended.push(...added);
        window.append(added, window.head + counts.length);
        window.dropThrough(Math.min(drop, window.head));
        for (let revision = window.start; revision <= window.head; revision += 1) {
          const expected = appended.filter((each) => revisionOf(each) > revision);
          assert.deepEqual(window.changesAfter(revision), expected);
        }
        assert.ok(window.changesAfter(window.start).length <= maxChanges);
      }
    }),
  );
});

test('its size is bounded in changes and in bytes, and whole revisions are dropped', () => {
  const few = new ChangeWindow(0, { ...plenty, maxChanges: 10 });
  few.append(history(1, [3, 3, 3, 3]), 4);
  assert.equal(few.start, 3);
  assert.equal(few.changesAfter(3).length, 3);
  const small = new ChangeWindow(0, { ...plenty, maxBytes: 10_000 });
  for (let revision = 1; revision <= 100; revision += 1)
    small.append([change(revision, 1_000)], revision);
  assert.equal(small.head, 100);
  assert.ok(small.start >= 90);
  small.append([change(101, 100_000)], 101);
  assert.equal(small.start, 101, 'a change larger than the window is left to the log');
});

test('dropping what is yet to come moves the head', () => {
  const window = new ChangeWindow(5, plenty);
  window.append([change(6)], 6);
  window.dropThrough(20);
  assert.deepEqual([window.start, window.head, window.changesAfter(20)], [20, 20, []]);
  window.dropThrough(3);
  assert.equal(window.start, 20);
});
