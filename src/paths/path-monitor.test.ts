import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../test/support/until.ts';
import { WatchedTunnel } from '../../test/support/watched-tunnel.ts';
import { parseAddress } from '../model/prefix.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLog } from '../runtime/log.ts';
import { PathMonitor } from './path-monitor.ts';

const never = 600_000;

/** Watched from both ends, and proven. */
async function createWatched(): Promise<WatchedTunnel> {
  const tunnel = await WatchedTunnel.create();
  const { left, right } = tunnel;
  left.watcher.set([left.pathTo(right)]);
  right.watcher.set([right.pathTo(left)]);
  await until('both ends were answered', () => left.roundTripMs && right.roundTripMs);
  return tunnel;
}

const bothAre = ({ left, right }: WatchedTunnel, isAlive: boolean) =>
  until(
    `both ends call it ${isAlive ? 'alive' : 'dead'}`,
    () => left.isAlive === isAlive && right.isAlive === isAlive,
    30_000,
  );

const changesOf = ({ left, right }: WatchedTunnel) =>
  [left, right].map(({ watcher }) => watcher.changes.map(({ isAlive }) => isAlive));

test('a path with an answering end stays alive, and is proven to be', async () => {
  await using tunnel = await createWatched();
  await bothAre(tunnel, true);
  await until('both ends have a proof', () =>
    [tunnel.left, tunnel.right].every(
      ({ watcher, interfaceName }) => watcher.statuses.get(interfaceName)?.isProven,
    ),
  );
  assert.deepEqual(changesOf(tunnel), [[], []]);
});

test('silence kills a path at both ends, and it comes back with the packets', async () => {
  await using tunnel = await createWatched();
  const { left, right } = tunnel;
  await Promise.all([left.deafen(), right.deafen()]);
  await bothAre(tunnel, false);
  await Promise.all([left.undeafen(), right.undeafen()]);
  await bothAre(tunnel, true);
  const deadThenAlive = [false, true];
  assert.deepEqual(changesOf(tunnel), [deadThenAlive, deadThenAlive]);
});

test('a path that works one way only is dead at both ends, until it works both ways', async () => {
  await using tunnel = await createWatched();
  await tunnel.right.deafen();
  await bothAre(tunnel, false);
  await tunnel.right.undeafen();
  await bothAre(tunnel, true);
  assert.ok(changesOf(tunnel).every((changes) => changes.at(-1) === true));
});

test('an interface that is taken away is dead, and followed when it is made anew', async () => {
  await using tunnel = await createWatched();
  await tunnel.left.takeDown();
  await bothAre(tunnel, false);
  await tunnel.left.bringUp();
  await bothAre(tunnel, true);
  assert.ok(changesOf(tunnel).every((changes) => changes.at(-1) === true));
});

test('a process that was stopped blames nobody for it', async () => {
  await using tunnel = await WatchedTunnel.create();
  const { left, right } = tunnel;
  left.watcher.set([{ ...left.pathTo(right), idleProbeMs: 100 }]);
  // It never asks by itself, so that it does not miss the other.
  right.watcher.set([{ ...right.pathTo(left), idleProbeMs: never }]);
  const before = await until('it is probed', () => left.roundTripMs);
  left.watcher.signal('SIGSTOP');
  await delay(1_500);
  left.watcher.signal('SIGCONT');
  await until('it has been probed since', () => left.roundTripMs !== before);
  // The other end may have missed it, rightly.
  assert.deepEqual(changesOf(tunnel)[0], []);
});

test('a responder answers whoever asks, and hears at once which path is in use', async () => {
  await using tunnel = await WatchedTunnel.create();
  const { left, right } = tunnel;
  right.watcher.respond({ interfaceName: right.interfaceName, address: right.linkLocal });
  left.watcher.set([{ ...left.pathTo(right), idleProbeMs: 100 }]);
  await until('it answers', () => left.roundTripMs);
  const quiet = { ...left.pathTo(right), idleProbeMs: never };
  for (const using of [true, false, true]) {
    left.watcher.set([{ ...quiet, using }]);
    await until('the change is known', () => right.watcher.asked.at(-1)?.using === using);
  }
  const { asked } = right.watcher;
  assert.ok(asked.every(({ from }) => from === left.linkLocal));
  const sequences = asked.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.toSorted((one, other) => one - other),
  );
});

test('a path in use tells so again and again', async () => {
  await using tunnel = await WatchedTunnel.create();
  const { left, right } = tunnel;
  right.watcher.respond({ interfaceName: right.interfaceName, address: right.linkLocal });
  left.watcher.set([{ ...left.pathTo(right), using: true, idleProbeMs: 200 }]);
  await until('it was told five times', () => right.watcher.asked.length >= 5);
  assert.ok(right.watcher.asked.every(({ using }) => using));
});

test('strays arrive whole, in as many messages as it takes', async () => {
  await using tunnel = await createWatched();
  const ids = Array.from({ length: 500 }, (_, at) => 2n ** 48n + BigInt(at));
  tunnel.left.watcher.sendStrays(tunnel.left.interfaceName, ids);
  await until('all are there', () => tunnel.right.watcher.strays.length >= ids.length);
  assert.deepEqual(
    tunnel.right.watcher.strays,
    ids.map((id, sequence) => `${id} ${sequence}`),
  );
});

test('an interface that is missing is dead, and what is no longer watched is not listed', async () => {
  await using tunnel = await createWatched();
  const { left, right } = tunnel;
  const path = left.pathTo(right);
  left.watcher.set([path, { ...path, interfaceName: 'absent0' }]);
  await until('it is dead', () => left.watcher.statuses.get('absent0')?.isAlive === false);
  assert.equal(left.isAlive, true);
  left.watcher.set([]);
  await until('nothing is watched', () => left.watcher.statuses.size === 0);
});

test('nothing is watched any more by a monitor that was stopped', async () => {
  const address = parseAddress('fe80::1');
  const path = { interfaceName: 'lo', ownLinkLocal: address, remoteLinkLocal: address };
  const monitor = new PathMonitor({
    clock: systemClock,
    log: silentLog(),
    onChange: () => undefined,
  });
  monitor.set([{ ...path, using: true, idleProbeMs: never }]);
  assert.equal(monitor.statuses().size, 1);
  await monitor.run(AbortSignal.abort());
  monitor.set([{ ...path, using: true, idleProbeMs: never }]);
  assert.equal(monitor.statuses().size, 0);
});
