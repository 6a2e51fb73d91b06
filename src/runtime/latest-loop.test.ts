import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LatestLoop } from './latest-loop.ts';

/** A job whose runs end when the test says so. */
function steppedLoop() {
  const runs: PromiseWithResolvers<void>[] = [];
  const loop = new LatestLoop(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  return { loop, runs };
}

test('requests while the job runs make it run once more, and all wait for that run', async () => {
  const { loop, runs } = steppedLoop();
  const first = loop.request();
  const later = [loop.request(), loop.request(), loop.request()];
  assert.equal(runs.length, 1);
  runs[0]?.resolve();
  await first;
  await turn();
  assert.equal(runs.length, 2);
  const last = loop.request();
  runs[1]?.resolve();
  await Promise.all(later);
  await turn();
  assert.equal(runs.length, 3);
  runs[2]?.resolve();
  await last;
});

test('a run that fails is told to who asked for it, and the next one goes on', async () => {
  const { loop, runs } = steppedLoop();
  const first = loop.request();
  const second = loop.request();
  runs[0]?.reject(new RangeError('first'));
  await assert.rejects(first, { message: 'first' });
  await turn();
  runs[1]?.resolve();
  await second;
  const third = loop.request();
  await turn();
  runs[2]?.resolve();
  await third;
});
