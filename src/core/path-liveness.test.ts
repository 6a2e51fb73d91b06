import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  freshLiveness,
  type Liveness,
  type LivenessSettings,
  type PathObservation,
  watchPath,
} from './path-liveness.ts';

const settings: LivenessSettings = {
  deadAfterTicks: 5,
  idleProbeTicks: 50,
  busyTicks: 3,
  deadProbeTicks: 10,
  aliveAfterTicks: 3,
};
const nothing: PathObservation = { received: false, sent: false, remoteIsDeaf: false };
const answered: PathObservation = { received: true, sent: true, remoteIsDeaf: false };
const unanswered: PathObservation = { received: false, sent: true, remoteIsDeaf: false };
const oneWay: PathObservation = { received: true, sent: true, remoteIsDeaf: true };

function watch(seen: readonly PathObservation[], from: Liveness = freshLiveness) {
  let liveness = from;
  const probes: boolean[] = [];
  for (const one of seen) {
    const step = watchPath(liveness, one, settings);
    liveness = step.liveness;
    probes.push(step.probe);
  }
  return { liveness, probes };
}

const times = (count: number, seen: PathObservation) => Array.from({ length: count }, () => seen);

test('a busy path is alive and never probed', () => {
  const { liveness, probes } = watch(times(500, answered));
  assert.equal(liveness.isAlive, true);
  assert.ok(!probes.includes(true));
});

test('an idle path is probed now and then, and stays alive while that is answered', () => {
  const { liveness, probes } = watch([...times(50, nothing), answered, ...times(20, nothing)]);
  assert.equal(liveness.isAlive, true);
  assert.deepEqual([probes[48], probes[49], probes[60]], [false, true, false]);
});

test('a busy path that falls silent is probed at once, though nothing was sent, and is dead soon', () => {
  const received: PathObservation = { received: true, sent: false, remoteIsDeaf: false };
  const busy = watch(times(3, received)).liveness;
  const { probe } = watchPath(busy, nothing, settings);
  assert.equal(probe, true);
  const probed = [nothing, unanswered, ...times(4, nothing)];
  assert.equal(watch(probed, busy).liveness.isAlive, false);
  const { probes, liveness } = watch([nothing, answered, ...times(20, nothing)], busy);
  assert.deepEqual([probes.filter(Boolean).length, liveness.isAlive], [1, true], 'and once only');
});

test('what is sent and not answered is probed at every tick, and dead after the limit', () => {
  const { probes } = watch(times(4, unanswered));
  assert.deepEqual(probes, [true, true, true, true]);
  assert.equal(watch(times(4, unanswered)).liveness.isAlive, true);
  assert.equal(watch(times(5, unanswered)).liveness.isAlive, false);
  // One packet is enough: the application may wait for its answer and send no more.
  assert.equal(watch([unanswered, ...times(4, nothing)]).liveness.isAlive, false);
});

test('a path that works one way only is dead', () => {
  assert.equal(watch(times(5, oneWay)).liveness.isAlive, false);
  const dead = watch(times(5, oneWay)).liveness;
  assert.equal(watch(times(100, oneWay), dead).liveness.isAlive, false);
});

test('a dead path is alive again when it has answered for a while', () => {
  const dead = watch(times(9, unanswered)).liveness;
  assert.equal(watch(times(2, answered), dead).liveness.isAlive, false);
  assert.equal(watch(times(3, answered), dead).liveness.isAlive, true);
  const flapping = [answered, ...times(6, nothing), answered, ...times(6, nothing), answered];
  assert.equal(watch(flapping, dead).liveness.isAlive, false);
});

test('a dead path is probed rarely until it is heard', () => {
  const dead = watch(times(5, unanswered)).liveness;
  const { probes } = watch(times(30, nothing), dead);
  assert.equal(probes.filter(Boolean).length, 3);
  assert.equal(watchPath(dead, answered, settings).probe, true);
});

test('whatever is seen, a path dies only after the limit of unanswered ticks', () => {
  const seen = fc.record({
    received: fc.boolean(),
    sent: fc.boolean(),
    remoteIsDeaf: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(seen, { maxLength: 200 }), (all) => {
      let liveness = freshLiveness;
      let bad = 0;
      for (const one of all) {
        const before = liveness;
        liveness = watchPath(before, one, settings).liveness;
        bad = one.received && !one.remoteIsDeaf ? 0 : bad + 1;
        if (before.isAlive && !liveness.isAlive) assert.ok(bad >= settings.deadAfterTicks);
      }
    }),
  );
});
