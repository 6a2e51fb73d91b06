import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { DirectBed, type DirectEnd, relayAddress } from '../../../test/support/direct-bed.ts';
import { until } from '../../../test/support/until.ts';
import { maxCandidates, maxDirectPeers } from '../../api/direct-messages.ts';
import { parseMasterName } from '../../model/names.ts';

const unreachable = '203.0.113.9:9';

/** Both ends have heard of each other, the left one as the first, and talk directly. */
async function direct() {
  const bed = await DirectBed.start();
  const { left, right } = bed;
  await Promise.all([left.hear(right, true), right.hear(left, false)]);
  await bed.pass(600);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  return bed;
}

test('a machine that goes on refusing is given up once, whatever the number of peers', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  const others = [await bed.add('carla'), await bed.add('dora'), await bed.add('elsa')];
  for (const other of others) await left.hear(other, true);
  await bed.pass(100);
  for (let times = 0; times < 6; times += 1) left.host.failures.push(new Error('nft failed'));
  await bed.pass(2_000);
  assert.equal(left.timesGivenUp, 1);
  assert.equal((await left.path(right))?.state, 'failed');
});

/** How often the left end has put the right one in anew, from the given change of its host on. */
function timesPutIn(left: DirectEnd, right: DirectEnd, from = 0): number {
  const present = left.host.applied
    .slice(from)
    .map(({ interfaces }) =>
      interfaces.some(({ peers }) => peers.some(({ publicKey }) => publicKey === right.key)),
    );
  return present.filter((isThere, at) => isThere && present[at - 1] === false).length;
}

const storedNames = async (end: DirectEnd): Promise<string[]> => {
  const text = await readFile(end.peersPath, 'utf8').catch(() => '{"peers":[]}');
  return JSON.parse(text).peers.map(({ name }: { name: string }) => name);
};

test('two members that are introduced talk directly as soon as a probe is answered', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  const path = await left.path(right);
  assert.equal(path?.state, 'direct');
  assert.equal(path?.endpoint, right.endpoint);
  assert.deepEqual(left.interface?.routes, [
    { destination: `${right.place.ipv4}/32`, source: left.place.ipv4 },
    { destination: `${right.place.ipv6}/128`, source: left.place.ipv6 },
  ]);
  assert.deepEqual(left.peer(right)?.allowedIps, [
    `${right.place.ipv4}/32`,
    `${right.place.ipv6}/128`,
    `${right.linkLocal}/128`,
  ]);
  assert.equal(left.interface?.mtuBytes, 1_400);
});

test('the second waits for the first, and sends by itself when nothing comes', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  await right.hear(left, false);
  await bed.pass(200);
  assert.equal(right.peer(left)?.endpoint, undefined);
  assert.equal(right.peer(left)?.keepaliveSeconds, undefined);
  assert.deepEqual(bed.asked, [], 'a packet would begin a handshake with nowhere to send it');
  await bed.pass(100);
  assert.equal(right.peer(left)?.endpoint, left.endpoint);
  assert.equal(right.peer(left)?.keepaliveSeconds, 25);
});

test('a second that is reached never begins a handshake that would cross', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  await Promise.all([left.hear(right, true), right.hear(left, false)]);
  await bed.pass(1_000);
  assert.ok(right.routes(left));
  assert.ok(
    right.host.applied.every(({ interfaces }) =>
      interfaces.every(({ peers }) => peers.every(({ endpoint }) => endpoint === undefined)),
    ),
  );
});

test('candidates are tried in turn, each as a peer that is put in anew', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  const others = ['203.0.113.7:7', '203.0.113.8:8'];
  await Promise.all([
    left.hear(right, true, [...others, right.endpoint]),
    right.hear(left, false, [unreachable]),
  ]);
  const seen: (string | undefined)[] = [];
  await bed.pass(2_000, () => seen.push(left.peer(right)?.endpoint));
  assert.deepEqual([...new Set(seen)], [...others, right.endpoint]);
  assert.equal(timesPutIn(left, right), 3);
  assert.ok(left.routes(right) && right.routes(left));
});

test('a peer that is reached by no candidate is taken out after two rounds', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  const candidates = [unreachable, '203.0.113.8:8'];
  await left.hear(right, true, candidates);
  await bed.pass(2_700);
  assert.equal((await left.path(right))?.state, 'trying');
  await bed.pass(400);
  assert.equal(left.peer(right), undefined);
  const path = await left.path(right);
  assert.equal(path?.state, 'failed');
  assert.deepEqual(path?.tried, candidates);
  await bed.pass(61_000);
  assert.equal(await left.path(right), undefined);
  assert.deepEqual(await storedNames(left), []);
});

/** Neither end is reached where the other looks for it. */
async function relayed() {
  const bed = await DirectBed.start();
  const { left, right } = bed;
  const apart = ['203.0.113.7:7', '203.0.113.8:8', '203.0.113.9:9'];
  const toRight = { ...right.introduction([unreachable], true), relayPort: 61_000 };
  const toLeft = { ...left.introduction(apart, false), relayPort: 61_001 };
  const master = parseMasterName('hansa-1');
  await Promise.all([left.paths.introduce(toRight, master), right.paths.introduce(toLeft, master)]);
  return bed;
}

test('two that reach each other by no candidate meet at the relay, and say so', async () => {
  await using bed = await relayed();
  const { left, right } = bed;
  await bed.pass(1_500);
  assert.equal(left.peer(right)?.endpoint, `${relayAddress}:61000`);
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
  await bed.pass(4_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  const [there, back] = [await left.path(right), await right.path(left)];
  assert.deepEqual([there?.state, there?.relayedBy], ['direct', 'hansa-1']);
  assert.deepEqual(there?.tried, [unreachable, `${relayAddress}:61000`]);
  assert.deepEqual([back?.endpoint, back?.relayedBy], [`${relayAddress}:61001`, 'hansa-1']);
});

test('a relay that is left is said no more, and one that was used is found again after a restart', async () => {
  await using bed = await relayed();
  const { left, right } = bed;
  await bed.pass(5_500);
  await until('it is on the disk', async () => (await storedNames(left)).length === 1);
  left.stop();
  await left.start();
  await bed.pass(1_000);
  assert.equal((await left.path(right))?.relayedBy, 'hansa-1');
  assert.ok(left.routes(right));
  left.host.observed.set(right.key, { endpoint: right.endpoint });
  const path = await left.path(right);
  assert.deepEqual([path?.endpoint, path?.relayedBy], [right.endpoint, undefined]);
});

test('with a relay no more is tried than can be told', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  const candidates = Array.from(
    { length: maxCandidates },
    (_, index) => `203.0.113.9:${index + 1}`,
  );
  const introduction = { ...right.introduction(candidates, true), relayPort: 61_000 };
  await left.paths.introduce(introduction, parseMasterName('hansa-1'));
  await bed.pass(12_000);
  const tried = (await left.path(right))?.tried;
  assert.deepEqual(tried, [...candidates.slice(0, -1), `${relayAddress}:61000`]);
});

test('a peer whose handshake is young is not taken out again', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  await left.hear(right, true, [unreachable, '203.0.113.8:8']);
  await bed.pass(600);
  left.host.observed.set(right.key, { handshakeAtMs: bed.clock.nowMs() });
  await bed.pass(700);
  assert.equal(left.peer(right)?.endpoint, unreachable);
  await bed.pass(3_000);
  assert.notEqual(left.peer(right)?.endpoint, unreachable, 'probes have to come through at last');
});

test('traffic is back with the master within a second of the path’s death', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  bed.cut.add(left);
  await bed.pass(850);
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
  await bed.pass(2_000);
  assert.equal((await left.path(right))?.state, 'failed');
});

test('a process that was stopped blames nobody for it', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  bed.clock.advance(30_000);
  await bed.pass(1_000);
  assert.ok(left.routes(right) && right.routes(left));
});

test('a path that died comes back when the other end does, without any master', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until('a file', async () => (await storedNames(right)).length === 1);
  right.stop();
  await bed.pass(1_000);
  assert.equal(left.routes(right), false);
  await right.start();
  await bed.pass(1_500);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
});

test('one that died stays as it is, although introduced anew, while the other end still sends by it', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until('a file', async () => (await storedNames(right)).length === 1);
  right.stop();
  await bed.pass(1_000);
  assert.equal(left.routes(right), false);
  const before = left.host.applied.length;
  await left.hear(right, true);
  assert.equal((await left.path(right))?.state, 'trying');
  await bed.pass(3_000, () => bed.traffic(right, left, 100));
  assert.equal(timesPutIn(left, right, before), 0);
  const path = await left.path(right);
  assert.equal(path?.state, 'failed');
  assert.match(path.reason, /still sends/);
  await right.start();
  await bed.pass(1_500);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  assert.equal(timesPutIn(left, right, before), 0);
});

test('one that died and is silent is searched for anew', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  right.stop();
  await bed.pass(1_000);
  const before = left.host.applied.length;
  await left.hear(right, true, [unreachable]);
  await bed.pass(200);
  assert.equal(timesPutIn(left, right, before), 0);
  await bed.pass(1_000);
  assert.equal(timesPutIn(left, right, before), 1);
  assert.equal(left.peer(right)?.endpoint, unreachable);
});

test('a trial in which the other end has been heard is not begun anew, since that may use it already', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  left.stop();
  await right.hear(left, false);
  await bed.pass(300);
  const before = right.host.applied.length;
  const ask = { kind: 'ask', sequence: 1, using: true, hearsYou: true } as const;
  right.host.hearProbe(ask, left.linkLocal);
  // Into a further step, in which nothing has been heard yet.
  await bed.pass(900);
  await right.hear(left, false, ['203.0.113.8:8']);
  await bed.pass(300);
  assert.equal((await right.path(left))?.state, 'trying');
  assert.equal(timesPutIn(right, left, before), 0);
});

test('a step in which something came by the tunnel is given more time, though no probe did', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  left.stop();
  await right.hear(left, true, [left.endpoint, unreachable]);
  await bed.pass(2_000, () => bed.traffic(left, right, 100));
  assert.equal(right.peer(left)?.endpoint, left.endpoint);
  await bed.pass(2_000);
  assert.equal(right.peer(left)?.endpoint, unreachable);
});

test('nobody is answered by a tunnel that is about to be taken down, and a busy machine has its time', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  await right.hear(left, true, [unreachable, left.endpoint]);
  await bed.pass(300);
  const { promise: busy, resolve: becomeIdle } = Promise.withResolvers<void>();
  right.host.busy = busy;
  // The first candidate has had its time, and the host still has it.
  await bed.pass(3_000);
  await left.hear(right, false);
  await bed.pass(1_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [false, false]);
  assert.equal(right.peer(left)?.endpoint, unreachable);
  right.host.busy = undefined;
  becomeIdle();
  await bed.pass(600);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
  assert.deepEqual((await right.path(left))?.tried, [unreachable, left.endpoint]);
});

test('a path that nothing passes is left by both ends, and neither refuses what the other sends', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await bed.pass(75_000, () => {
    assert.ok(!left.routes(right) || right.peer(left), 'left sends what right does not take');
    assert.ok(!right.routes(left) || left.peer(right), 'right sends what left does not take');
  });
  assert.deepEqual([left.peer(right), right.peer(left)], [undefined, undefined]);
  assert.deepEqual(await left.paths.report(), []);
  await until('an empty file', async () => (await storedNames(left)).length === 0);
});

test('a path with traffic stays', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  for (let minute = 0; minute < 3; minute += 1) {
    bed.traffic(left, right, 50_000);
    await bed.pass(50_000);
  }
  assert.ok(left.routes(right) && right.routes(left));
});

test('an end that hears that the other one leaves moves its routes as well, and waits before it lets go', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  // Only the left one has seen nothing.
  await bed.pass(50_000, () =>
    right.host.observed.set(left.key, { sentBytes: Math.random() * 1e9 }),
  );
  await bed.pass(30_000, () => {
    right.host.observed.set(left.key, { sentBytes: Math.random() * 1e9 });
    if (left.routes(right)) assert.ok(right.peer(left));
    if (right.routes(left)) assert.ok(left.peer(right));
  });
  assert.deepEqual([left.peer(right), right.peer(left)], [undefined, undefined]);
});

test('an introduction while a path is left keeps it', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  while (left.routes(right)) await bed.pass(50);
  await Promise.all([left.hear(right, true), right.hear(left, false)]);
  await bed.pass(8_000);
  assert.ok(left.routes(right) && right.routes(left));
});

test('what is withdrawn is gone from the host and the disk', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until('a file', async () => (await storedNames(left)).length === 1);
  await left.paths.withdraw([right.key]);
  assert.equal(left.peer(right), undefined);
  assert.equal(left.routes(right), false);
  assert.deepEqual(await storedNames(left), []);
});

test('no more peers are held than are allowed, and dead ones make room', async () => {
  await using bed = await DirectBed.start();
  const { left } = bed;
  const others: DirectEnd[] = [];
  for (let number = 0; number < maxDirectPeers + 1; number += 1) {
    others.push(await bed.add(`m${number}`));
  }
  for (const other of others) await left.hear(other, true);
  assert.equal(left.paths.held.length, maxDirectPeers);
  assert.equal(left.paths.refused, 1);
  await bed.pass(2_000);
  const last = others.at(-1);
  assert.ok(last);
  await left.hear(last, true);
  assert.ok((await left.path(last)) !== undefined);
});

test('routes leave before what they lead to', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  const before = left.host.applied.length;
  await left.paths.withdraw([right.key]);
  const [first] = left.host.applied.slice(before);
  const planned = first?.interfaces.find(({ name }) => name === left.interface?.name);
  assert.equal(planned?.peers.length, 1);
  assert.deepEqual(planned?.routes, []);
});

test('a peer is gone when its certificate ends', async () => {
  await using bed = await DirectBed.start();
  const nowMs = bed.clock.nowMs();
  const third = await bed.add('cleo', { fromMs: nowMs, untilMs: nowMs + 20_000 });
  const { left } = bed;
  await Promise.all([left.hear(third, true), third.hear(left, false)]);
  await bed.pass(600);
  assert.ok(left.routes(third));
  await bed.pass(21_000);
  assert.equal(left.peer(third), undefined);
  await until('an empty file', async () => (await storedNames(left)).length === 0);
});

test('a younger certificate is taken as it is, and nothing else of it', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  const before = left.host.applied.length;
  await left.paths.introduce(right.introduction([], true), parseMasterName('hansa-1'));
  assert.equal(left.host.applied.length, before);
  assert.ok(left.routes(right));
});

test('of a path in use it is told when its other end should long have had a younger certificate', async () => {
  await using bed = await direct();
  const { left, clock } = bed;
  const minutes = (count: number) => count * 60_000;
  const nowMs = clock.nowMs();
  const old = await bed.add('carl', { fromMs: nowMs - minutes(50), untilMs: nowMs + minutes(11) });
  await Promise.all([left.hear(old, true), old.hear(left, false)]);
  assert.deepEqual(left.paths.aging, []);
  await bed.pass(600);
  assert.ok(left.routes(old));
  assert.deepEqual(left.paths.aging, []);
  clock.advance(minutes(1));
  assert.deepEqual(left.paths.aging, [old.place.ipv6]);
});

test('a restarted daemon takes its peers up from the disk and routes when they answer', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until(
    'files',
    async () => (await storedNames(left)).length + (await storedNames(right)).length === 2,
  );
  left.stop();
  right.stop();
  await bed.pass(2_000);
  await left.start();
  assert.ok(left.peer(right));
  assert.equal(left.routes(right), false);
  await bed.pass(20_000);
  await right.start();
  await bed.pass(2_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
});

test('a daemon that is back before its absence was noticed is taken at its last word, not at its first', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until('files', async () => (await storedNames(left)).length === 1);
  left.stop();
  await left.start();
  await bed.pass(10_000);
  assert.deepEqual([left.routes(right), right.routes(left)], [true, true]);
});

test('a file of peers that cannot be read costs the paths and nothing else', async () => {
  await using bed = await direct();
  const { left, right } = bed;
  await until('files', async () => (await storedNames(left)).length === 1);
  left.stop();
  await bed.pass(1_000);
  await writeFile(left.peersPath, 'not JSON');
  await left.start();
  assert.equal(left.peer(right), undefined);
  await left.hear(right, true);
  assert.ok(left.peer(right));
});

test('a machine that does not take the interface goes on without it', async () => {
  await using bed = await DirectBed.start();
  const { left, right } = bed;
  left.host.failures.push(new Error('the port is taken'));
  await left.hear(right, true);
  await bed.pass(100);
  assert.equal(left.interface, undefined);
  assert.equal((await left.path(right))?.state, 'failed');
});
