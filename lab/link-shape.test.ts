import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderShape } from './link-shape.ts';

test('a perfect link has no queue', () => {
  assert.deepEqual(renderShape('eth0', {}, true), ['qdisc replace dev eth0 root noqueue']);
  assert.deepEqual(renderShape('eth0', { delayMs: 0 }, true), [
    'qdisc replace dev eth0 root noqueue',
  ]);
});

test('a rate is limited by the kernel', () => {
  assert.deepEqual(renderShape('eth0', { rateMbit: 0.5 }, false), [
    'qdisc replace dev eth0 root tbf rate 500kbit burst 16000 latency 50ms',
  ]);
});

test('delay and loss are left to the process where the kernel has no netem', () => {
  assert.deepEqual(renderShape('eth0', { delayMs: 5, lossPercent: 1 }, false), [
    'qdisc replace dev eth0 root noqueue',
  ]);
});

test('netem delays and loses, with the rate inside it', () => {
  const shape = { rateMbit: 100, delayMs: 20, jitterMs: 2, lossPercent: 0.1 };
  assert.deepEqual(renderShape('up', shape, true), [
    'qdisc replace dev up root handle 1: netem limit 20000 delay 20ms 2ms loss 0.1%',
    'qdisc replace dev up parent 1:1 handle 2: tbf rate 100000kbit burst 62500 latency 50ms',
  ]);
});
