import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from './gate.ts';

const never = new AbortController().signal;

test('a gate lets so many through at once, and the others in their order', async () => {
  const gate = new Gate(2);
  const order: number[] = [];
  const enter = async (number: number): Promise<Disposable> => {
    const place = await gate.enter(never);
    order.push(number);
    return place;
  };
  const [first, second] = [await enter(1), await enter(2)];
  const others = [enter(3), enter(4)];
  await Promise.resolve();
  assert.deepEqual(order, [1, 2]);
  second[Symbol.dispose]();
  (await others[0])?.[Symbol.dispose]();
  (await others[1])?.[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test('who stops waiting takes no place', async () => {
  const gate = new Gate(1);
  const inside = await gate.enter(never);
  const stop = new AbortController();
  const reason = new Error('enough');
  const waiting = gate.enter(stop.signal);
  stop.abort(reason);
  await assert.rejects(waiting, reason);
  inside[Symbol.dispose]();
  (await gate.enter(never))[Symbol.dispose]();
  await assert.rejects(gate.enter(stop.signal), reason);
});
