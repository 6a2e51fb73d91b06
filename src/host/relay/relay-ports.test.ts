import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RelayPorts } from './relay-ports.ts';

const full = { code: 'relay-full' };

test('half as many pairs as ports can be had, and no port twice', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: 1, max: 60_000 }),
      (count, first) => {
        const ports = new RelayPorts({ first, count });
        const taken = Array.from({ length: Math.floor(count / 2) }, () => ports.takeTwo()).flat();
        assert.equal(new Set(taken).size, taken.length);
        assert.ok(taken.every((port) => port >= first && port < first + count));
        assert.throws(() => ports.takeTwo(), full);
      },
    ),
  );
});

test('a port that comes back is the last to be taken again', () => {
  const ports = new RelayPorts({ first: 100, count: 6 });
  assert.deepEqual(ports.takeTwo(), [100, 101]);
  ports.giveBack([100, 101]);
  assert.deepEqual(
    [ports.takeTwo(), ports.takeTwo(), ports.takeTwo()],
    [
      [102, 103],
      [104, 105],
      [100, 101],
    ],
  );
  assert.throws(() => ports.takeTwo(), { ...full, message: /^all 3 pairs/ });
});

test('a range must consist of ports, and suffice for a pair', () => {
  for (const range of [
    { first: 0, count: 4 },
    { first: 65_533, count: 4 },
    { first: 100, count: 1 },
    { first: Number.NaN, count: 4 },
  ]) {
    assert.throws(() => new RelayPorts(range), RangeError);
  }
  new RelayPorts({ first: 65_534, count: 2 });
});
