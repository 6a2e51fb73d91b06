import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Deadline } from './deadline.ts';

/** As with `--expose-gc`. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('a deadline ends a wait after its time, whatever is collected as garbage meanwhile', async () => {
  const caller = new AbortController();
  const deadlines = Array.from({ length: 200 }, () => new Deadline(60, caller.signal));
  await delay(10);
  collectGarbage();
  // Keeps the process alive while it waits: the deadlines' own timers do not.
  const alive = setTimeout(() => undefined, 5_000);
  await Promise.all(
    deadlines.map(({ signal }) => (signal.aborted ? undefined : once(signal, 'abort'))),
  );
  clearTimeout(alive);
  assert.ok(deadlines.every(({ signal }) => signal.reason.name === 'TimeoutError'));
});

test('a deadline ends a wait with its caller', () => {
  const caller = new AbortController();
  using deadline = new Deadline(60_000, caller.signal);
  caller.abort(new Error('gone'));
  assert.equal(deadline.signal.reason.message, 'gone');
});

test('a deadline that is disposed of is never over', async () => {
  const deadline = new Deadline(1);
  deadline[Symbol.dispose]();
  await delay(20);
  assert.equal(deadline.signal.aborted, false);
});
