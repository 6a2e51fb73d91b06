import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JoinProgress } from './join-progress.ts';

test('whoever comes later hears what has been, and all hear what comes', () => {
  const progress = new JoinProgress();
  const [early, late]: [string[], string[]] = [[], []];
  progress.follow((line) => early.push(line));
  for (let count = 1; count <= 25; count += 1) progress.tell(`${count}`);
  progress.follow((line) => late.push(line));
  progress.tell('last');
  assert.deepEqual([early.length, early.at(-1)], [26, 'last']);
  assert.deepEqual([late.length, late[0], late.at(-1)], [21, '6', 'last']);
});
