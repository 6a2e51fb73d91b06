import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MasterWay } from './master-way.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

function start() {
  const clock = new ManualClock();
  const asked: ((isAnswered: boolean) => void)[] = [];
  const answers = () => new Promise<boolean>((resolve) => asked.push(resolve));
  const way = new MasterWay({ clock, answers });
  const answer = async (isAnswered: boolean) => {
    asked.at(-1)?.(isAnswered);
    await settle();
  };
  return { clock, asked, way, answer };
}

test('nothing is believed before the master has answered, and it is asked once at a time', async () => {
  const { clock, asked, way, answer } = start();
  assert.equal(way.isProven(), false);
  clock.advance(5_000);
  assert.equal(way.isProven(), false);
  assert.equal(asked.length, 1);
  await answer(true);
  assert.equal(way.isProven(), false, 'it was asked five seconds ago');
  await answer(true);
  assert.equal(way.isProven(), true);
});

test('an answer is asked for anew before it is too old, and holds meanwhile', async () => {
  const { clock, asked, way, answer } = start();
  way.isProven();
  await answer(true);
  clock.advance(1_000);
  assert.equal(way.isProven(), true);
  assert.equal(asked.length, 2);
  clock.advance(2_001);
  assert.equal(way.isProven(), false, 'nothing came back since');
});

test('a master that does not answer any more is not believed at once', async () => {
  const { clock, way, answer } = start();
  way.isProven();
  await answer(true);
  clock.advance(1_000);
  assert.equal(way.isProven(), true);
  await answer(false);
  assert.equal(way.isProven(), false);
});
