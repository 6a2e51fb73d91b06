import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirectBed, type DirectEnd } from '../../../test/support/direct-bed.ts';

/** A path between two members of different subsets that have one key. */
async function acrossSubsets() {
  const bed = await DirectBed.start();
  bed.haveOneKey = true;
  const { left } = bed;
  const right = await bed.add('cleo', undefined, 'west');
  await Promise.all([left.hear(right, true), right.hear(left, false)]);
  await bed.pass(3_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  return { bed, left, right };
}

/** The VPN goes back to a key for each subset. */
function part(...ends: readonly DirectEnd[]): void {
  for (const { paths } of ends) paths.releaseOthers();
}

/** That neither sends what the other one does not take, nor anything to a master that does not answer. */
function assertWay(one: DirectEnd, other: DirectEnd): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    if (from.routes(to)) assert.ok(to.peer(from), `${from.name} sends what nobody takes`);
    else assert.ok(from.hasMaster && to.hasMaster, `${from.name} has given up the only way`);
  }
}

test('a path that nothing passes is kept by both ends while the master of either does not answer', async () => {
  for (const away of ['left', 'right'] as const) {
    await using bed = await DirectBed.start();
    const { left, right } = bed;
    await Promise.all([left.hear(right, true), right.hear(left, false)]);
    await bed.pass(600);
    bed[away].hasMaster = false;
    await bed.pass(150_000, () => assertWay(left, right));
    assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
    bed[away].hasMaster = true;
    await bed.pass(150_000, () => assertWay(left, right));
    assert.deepEqual([left.peer(right), right.peer(left)], [undefined, undefined]);
  }
});

test('when subsets part, the path between them is left as soon as both ends have another way', async () => {
  const { bed, left, right } = await acrossSubsets();
  await using _ = bed;
  right.hasMaster = false;
  part(left, right);
  await bed.pass(20_000, () => assertWay(left, right));
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  right.hasMaster = true;
  await bed.pass(3_000, () => assertWay(left, right));
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
  await bed.pass(7_000);
  assert.deepEqual([left.peer(right), right.peer(left)], [undefined, undefined]);
});

test('when only one end has heard that subsets part, the other one follows', async () => {
  const { bed, left, right } = await acrossSubsets();
  await using _ = bed;
  part(left);
  await bed.pass(3_000, () => assertWay(left, right));
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
});

test('a minute after subsets have parted the path is left, whatever ways there are', async () => {
  const { bed, left, right } = await acrossSubsets();
  await using _ = bed;
  left.hasMaster = false;
  part(left, right);
  await bed.pass(59_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  await bed.pass(2_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
  await bed.pass(7_000);
  assert.deepEqual([left.peer(right), right.peer(left)], [undefined, undefined]);
});

test('what is withdrawn or ends is gone at once, whatever ways there are', async () => {
  await using bed = await DirectBed.start();
  const nowMs = bed.clock.nowMs();
  const { left, right } = bed;
  const third = await bed.add('cleo', { fromMs: nowMs, untilMs: nowMs + 20_000 });
  left.hasMaster = false;
  for (const other of [right, third]) {
    await Promise.all([left.hear(other, true), other.hear(left, false)]);
  }
  await bed.pass(2_000);
  assert.deepEqual([left.routes(right), left.routes(third)], [true, true]);
  await left.paths.withdraw([right.key]);
  assert.deepEqual([left.routes(right), left.peer(right)], [false, undefined]);
  await bed.pass(20_000);
  assert.deepEqual([left.routes(third), left.peer(third)], [false, undefined]);
});
