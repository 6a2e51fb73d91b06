import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../runtime/log.ts';
import { LeaseSweeper } from './lease-sweeper.ts';

/** A sweeper over leases that are just two switches. */
function sweeperOver(state: { needed: boolean; due: boolean }, onSweep: () => Promise<void>) {
  let looks = 0;
  const sweeper = new LeaseSweeper({
    isNeeded: () => state.needed,
    hasDue: () => {
      looks += 1;
      return state.due;
    },
    endDue: onSweep,
    log: silentLog(),
  });
  return { sweeper, looks: () => looks };
}

/** Lets the timers of so many milliseconds fire, and all that follows from them happen. */
async function pass(context: TestContext, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    context.mock.timers.tick(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('it ends what is due within 100 ms, and one sweep at a time', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const state = { needed: true, due: false };
  const sweeps: (() => void)[] = [];
  const { sweeper } = sweeperOver(state, () => new Promise((resolve) => sweeps.push(resolve)));
  using _ = sweeper;
  sweeper.start();
  await pass(context, 500);
  assert.equal(sweeps.length, 0);
  state.due = true;
  await pass(context, 100);
  assert.equal(sweeps.length, 1);
  await pass(context, 500);
  assert.equal(sweeps.length, 1, 'the first one has not ended yet');
  sweeps[0]?.();
  await pass(context, 100);
  assert.equal(sweeps.length, 2);
});

test('it stops when nobody needs it, and can be started again', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const state = { needed: false, due: false };
  const { sweeper, looks } = sweeperOver(state, () => Promise.resolve());
  using _ = sweeper;
  sweeper.start();
  await pass(context, 500);
  assert.equal(looks(), 1);
  state.needed = true;
  sweeper.start();
  sweeper.start();
  await pass(context, 500);
  assert.equal(looks(), 11);
});

test('it tries again after a failure', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  let sweeps = 0;
  const { sweeper } = sweeperOver({ needed: true, due: true }, () => {
    sweeps += 1;
    return Promise.reject(new Error('the disk is full'));
  });
  using _ = sweeper;
  sweeper.start();
  await pass(context, 200);
  assert.equal(sweeps, 4);
});
