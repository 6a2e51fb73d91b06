import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxSought } from '../../api/direct-messages.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import { SoughtAddresses } from './sought-addresses.ts';

const address = (number: number): Address => parseAddress(`100.64.${number >> 8}.${number & 255}`);
const anna = address(1);

/** When an address that is sent to without a pause is asked for, looking every 100 ms. */
function askedAt(sought: SoughtAddresses, untilMs: number): readonly number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 100) {
    if (sought.due([anna], nowMs).length > 0) times.push(nowMs);
  }
  return times;
}

test('an address is asked for at once, and then less and less often, down to twice a minute', () => {
  assert.deepEqual(askedAt(new SoughtAddresses(), 92_000), [
    ...[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500, 61_500, 91_500],
  ]);
});

test('whoever was found, or not sent to for a while, is asked for at once the next time', () => {
  const sought = new SoughtAddresses();
  sought.due([anna], 0);
  sought.found([anna]);
  assert.deepEqual(sought.due([anna], 100), [anna]);
  assert.deepEqual(sought.due([anna], 400), []);
  assert.deepEqual(sought.due([], 15_401), []);
  assert.equal(sought.size, 0);
  assert.deepEqual(sought.due([anna], 15_401), [anna]);
});

test('no more are asked for than a message holds, and the rest in the looks that follow', () => {
  const all = Array.from({ length: 2 * maxSought + 3 }, (_, index) => address(index + 1));
  const sought = new SoughtAddresses();
  const looks = [0, 100, 200].map((nowMs) => sought.due(all, nowMs));
  assert.deepEqual(
    looks.map(({ length }) => length),
    [maxSought, maxSought, 3],
  );
  assert.deepEqual(looks.flat(), all);
});

test('whatever is sent to, nobody is asked for twice within half a second, and nothing is kept for good', () => {
  const steps = fc.array(
    fc.record({ waitMs: fc.nat(3_000), to: fc.array(fc.nat(40), { maxLength: 30 }) }),
  );
  fc.assert(
    fc.property(steps, (looks) => {
      const sought = new SoughtAddresses();
      const askedMs = new Map<Address, number>();
      let nowMs = 0;
      for (const { waitMs, to } of looks) {
        nowMs += waitMs;
        const due = sought.due(new Set(to.map(address)), nowMs);
        assert.ok(due.length <= maxSought);
        for (const one of due) {
          assert.ok(nowMs - (askedMs.get(one) ?? Number.NEGATIVE_INFINITY) >= 500);
          askedMs.set(one, nowMs);
        }
      }
      sought.due([], nowMs + 15_001);
      assert.equal(sought.size, 0);
    }),
  );
});
