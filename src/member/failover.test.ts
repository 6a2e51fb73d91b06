import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateBed } from '../../test/support/certificate-bed.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemoryHost } from '../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../test/support/scripted-master.ts';
import { until } from '../../test/support/until.ts';
import { localMetricsPath } from '../api/member-local.ts';
import type { View } from '../api/messages.ts';
import { parseMemberName } from '../model/names.ts';
import { derivePresharedKey } from '../trust/wireguard-keys.ts';

const spreadMs = 8_000;
/** Any that is not the first of all attempts' delay. */
const lateShare = 0.5;

/** A member of a subset with several masters, and its first session, which is with the first. */
class Bed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly host = new MemoryHost();
  readonly masters: readonly ScriptedMaster[];
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();
  #share = 0;
  member!: RunningMember;
  session!: ScriptedSession;
  view!: View;

  private constructor(masters: readonly ScriptedMaster[], directory: string) {
    this.masters = masters;
    this.directory = directory;
  }

  /** Of what is drawn at random: 0 unless a test says otherwise. */
  readonly random = (): number => this.#share;

  static async start(count = 3): Promise<Bed> {
    const certificates = await CertificateBed.create();
    await using stack = new AsyncDisposableStack();
    const masters: ScriptedMaster[] = [];
    for (let number = 1; number <= count; number += 1) {
      const master = await ScriptedMaster.start(certificates, { name: `hansa-${number}` });
      masters.push(stack.use(master));
    }
    const directory = stack.use(await memberDirectory());
    const bed = new Bed(masters, directory.path);
    bed.#stack.use(stack.move());
    bed.#stack.defer(() => bed.member[Symbol.asyncDispose]());
    await bed.#join();
    return bed;
  }

  async #join(): Promise<void> {
    const first = this.master(1);
    const join = { token: await first.invite(), name: parseMemberName('web-1') };
    this.member = new RunningMember({ directory: this.directory, join }, this);
    this.session = await first.session();
    const request = await this.session.receive('join');
    const admission = await first.admission(this.session, request);
    this.view = this.viewAt(5);
    this.session.send({ ...admission, view: this.view });
    await this.session.receive('acknowledge');
    await this.live('hansa-1');
  }

  master(number: number): ScriptedMaster {
    const master = this.masters[number - 1];
    if (!master) throw new Error(`there is no master ${number}`);
    return master;
  }

  /** A view of all masters, or of those with the numbers, in their order. */
  viewAt(revision: number, numbers = this.masters.map((_, index) => index + 1)): View {
    const [acting, ...backups] = numbers.map((number) => this.master(number));
    if (!acting) throw new Error('a view has a master');
    return acting.view(revision, {
      backups: backups.map(({ contact }) => contact),
      orders: [[acting, ...backups].map(({ name }) => name)],
      spreadMs,
    });
  }

  async send(view: View): Promise<void> {
    this.session.send({ type: 'view', view });
    assert.equal((await this.session.receive('acknowledge')).revision, view.revision);
  }

  /** The session of the first master is lost, and the next is with another one. */
  async next(number: number): Promise<ScriptedSession> {
    await this.pass(200);
    const session = await this.master(number).session();
    await session.receive('hello');
    return session;
  }

  async draw<T>(share: number, task: () => Promise<T>): Promise<T> {
    this.#share = share;
    try {
      return await task();
    } finally {
      this.#share = 0;
    }
  }

  async status() {
    return await until('a status', () => this.member.status());
  }

  async live(master: string): Promise<void> {
    await until(`a session with ${master}`, async () => {
      const { session } = await this.status();
      return session.state === 'live' && session.master === master;
    });
  }

  async pathOf(number: number) {
    const { masters } = await this.status();
    const { name } = this.master(number);
    const path = masters.find((master) => master.name === name)?.path;
    assert.ok(path, `no path to ${name}`);
    return path;
  }

  async setAlive(number: number, isAlive: boolean): Promise<void> {
    this.host.setAlive((await this.pathOf(number)).interfaceName, isAlive);
  }

  /** Waits until somebody sleeps so long, and lets the time pass. */
  async pass(waitMs: number): Promise<void> {
    await until(`a wait of ${waitMs} ms`, () => this.clock.hasSleeper(waitMs));
    this.clock.advance(waitMs);
  }

  /** Resolves when the routes are on the path to the master and nowhere else. */
  async routed(number: number): Promise<void> {
    const { interfaceName } = await this.pathOf(number);
    await until(`routes to master ${number}`, () => {
      const withRoutes = this.host.interfaces.filter(({ routes }) => routes.length > 0);
      return withRoutes.length === 1 && withRoutes[0]?.name === interfaceName;
    });
  }

  stateFile = () => join(this.directory, 'memberships', 'hansa.east', 'membership.json');

  async restart(): Promise<void> {
    await this.member[Symbol.asyncDispose]();
    this.member = new RunningMember({ directory: this.directory }, this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

test('a member has a tunnel to every master, each with its own preshared key, and routes on one', async () => {
  await using bed = await Bed.start();
  const { interfaces } = bed.host;
  assert.equal(interfaces.length, 3);
  const { groupKey, epoch } = bed.view.key;
  const stored = JSON.parse(await readFile(bed.stateFile(), 'utf8'));
  for (const { peers, addresses, linkLocal } of interfaces) {
    const [peer] = peers;
    assert.ok(peer);
    const publicKeys = [stored.keys.acting.publicKey, peer.publicKey] as const;
    assert.equal(peer.presharedKey, derivePresharedKey({ groupKey, epoch, publicKeys }));
    assert.deepEqual(addresses, ['100.64.0.2', 'fd12:3456:789a:1::2']);
    assert.equal(linkLocal, 'fe80::1:0:0:2');
  }
  await bed.routed(1);
  assert.equal(new Set(interfaces.map(({ peers }) => peers[0]?.publicKey)).size, 3);
});

test('when the path in use dies, routes move to the next living one and nothing else changes', async () => {
  await using bed = await Bed.start();
  const before = bed.host.interfaces;
  await bed.setAlive(2, false);
  await bed.setAlive(1, false);
  await bed.routed(3);
  const withoutRoutes = (interfaces: typeof before) =>
    interfaces.map((each) => ({ ...each, routes: [] }));
  assert.deepEqual(withoutRoutes(bed.host.interfaces), withoutRoutes(before));
  assert.equal((await bed.pathOf(3)).inUse, true);
});

test('the new master is told that it is in use, and the old one that it is not', async () => {
  await using bed = await Bed.start();
  const usingOf = async (number: number) => {
    const { interfaceName } = await bed.pathOf(number);
    return bed.host.watched.find((path) => path.interfaceName === interfaceName);
  };
  assert.deepEqual(await usingOf(1), {
    interfaceName: (await bed.pathOf(1)).interfaceName,
    ownLinkLocal: 'fe80::1:0:0:2',
    remoteLinkLocal: 'fe80::1',
    using: true,
    idleProbeMs: 5_000,
  });
  assert.equal((await usingOf(2))?.idleProbeMs, 10_000);
  await bed.setAlive(1, false);
  assert.equal((await usingOf(1))?.using, false);
  assert.equal((await usingOf(2))?.using, true);
});

test('traffic comes back when the better path has been alive for three seconds', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.routed(2);
  await bed.setAlive(1, true);
  bed.clock.advance(2_999);
  assert.equal((await bed.pathOf(2)).inUse, true);
  await bed.setAlive(1, false);
  await bed.setAlive(1, true);
  await bed.pass(3_000);
  await bed.routed(1);
});

test('when all paths are dead, routes stay where they are', async () => {
  await using bed = await Bed.start();
  const applied = bed.host.applied.length;
  for (const number of [3, 2, 1]) await bed.setAlive(number, false);
  assert.equal((await bed.pathOf(1)).inUse, true);
  assert.equal(bed.host.applied.length, applied);
});

test('routes that the host could not move are moved as soon as it can', async () => {
  await using bed = await Bed.start();
  bed.host.failures.push(new Error('busy'));
  await bed.setAlive(1, false);
  await bed.pass(500);
  await bed.routed(2);
});

test('a daemon that starts anew while its first master is dead leaves traffic where it was', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.routed(2);
  await until('a note of it', async () => {
    return JSON.parse(await readFile(bed.stateFile(), 'utf8')).using === 'hansa-2';
  });
  bed.host.applied.length = 0;
  await bed.restart();
  await until('interfaces', () => bed.host.interfaces.length === 3);
  await bed.routed(2);
  assert.ok(bed.host.applied.every(({ interfaces }) => interfaces[0]?.routes.length === 0));
});

test('a view with another order moves traffic to its first master, whose path is up already', async () => {
  await using bed = await Bed.start();
  bed.clock.advance(20_000);
  await bed.send(bed.viewAt(6, [2, 3, 1]));
  await bed.routed(2);
});

test('masters that stay keep their interfaces, whatever else a view changes, also over a restart', async () => {
  await using bed = await Bed.start();
  const before = await Promise.all(
    [1, 2, 3].map(async (each) => (await bed.pathOf(each)).interfaceName),
  );
  await bed.send(bed.viewAt(6, [3, 1]));
  assert.equal((await bed.pathOf(3)).interfaceName, before[2]);
  assert.equal(bed.host.interfaces.length, 2);
  await bed.restart();
  await until('interfaces', () => bed.host.interfaces.length === 2);
  assert.deepEqual(JSON.parse(await readFile(bed.stateFile(), 'utf8')).slots, [
    'hansa-1',
    null,
    'hansa-3',
  ]);
  assert.equal((await bed.pathOf(3)).interfaceName, before[2]);
  assert.equal((await bed.pathOf(1)).interfaceName, before[0]);
});

test('a state from before there were several paths comes up with the acting master in its old place', async () => {
  await using bed = await Bed.start();
  const { interfaceName } = await bed.pathOf(1);
  await bed.member[Symbol.asyncDispose]();
  const { slots: _, ...state } = JSON.parse(await readFile(bed.stateFile(), 'utf8'));
  const { orders: __, spreadMs: ___, ...view } = state.view;
  await writeFile(bed.stateFile(), JSON.stringify({ ...state, view }));
  bed.host.applied.length = 0;
  await bed.restart();
  await until('interfaces', () => bed.host.interfaces.length === 3);
  await bed.live('hansa-1');
  assert.equal((await bed.pathOf(1)).interfaceName, interfaceName);
  await bed.routed(1);
});

test('a master that went without a word is followed by the next, each member at its own time', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.draw(lateShare, async () => {
    bed.session.cut();
    await bed.pass(200);
    await bed.pass(spreadMs * lateShare - 200);
  });
  const session = await bed.master(2).session();
  const hello = await session.receive('hello');
  assert.deepEqual([hello.appliedRevision, hello.appliedEpoch], [5, 5]);
  await bed.live('hansa-2');
});

test('a member resumes with the ticket that it has got of the next one', async () => {
  await using bed = await Bed.start();
  assert.equal(bed.session.isResumed, false);
  await bed.pass(0);
  await until('a ticket', () => bed.clock.hasSleeper(16 * spreadMs));
  await bed.master(1)[Symbol.asyncDispose]();
  const resumed = await bed.next(2);
  assert.equal(resumed.isResumed, true);
});

test('the members of a master that says that it goes follow the next without waiting for their turn', async () => {
  await using bed = await Bed.start();
  await bed.master(1)[Symbol.asyncDispose]();
  // That was without a word; the next session ends with one.
  const second = await bed.next(2);
  await bed.live('hansa-2');
  await bed.master(2).stopListening();
  await bed.draw(lateShare, async () => {
    second.close(1012);
    // The second wait of the backoff, and nothing of the spread.
    await bed.pass(200 + 200 * lateShare);
    await (await bed.master(3).session()).receive('hello');
  });
});

test('a silent session with a master whose path has died is left after two seconds', async () => {
  await using bed = await Bed.start();
  bed.session.mute();
  await bed.setAlive(1, false);
  await bed.pass(2_000);
  const { session } = await until('a wait', async () => {
    const now = await bed.status();
    return now.session.state === 'waiting' && now;
  });
  assert.match(session.lastError ?? '', /did not answer within 2 s/);
  await bed.pass(200);
  await (await bed.master(2).session()).receive('hello');
});

test('a session that answers although its path is dead is kept until another one is open', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.pass(1_000);
  const session = await bed.master(2).session();
  await session.receive('hello');
  assert.equal((await bed.status()).session.master, 'hansa-1');
  await bed.pass(1_000);
  await bed.session.closed();
  await bed.live('hansa-2');
});

test('a session comes back to the first master when traffic has', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  bed.session.cut();
  const second = await bed.next(2);
  await bed.live('hansa-2');
  await bed.setAlive(1, true);
  await bed.pass(3_000);
  await bed.pass(1_000);
  await (await bed.master(1).session()).receive('hello');
  await bed.pass(1_000);
  await second.closed();
  await bed.live('hansa-1');
});

test('a better master that refuses costs nothing, and is asked again later and later', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  bed.session.cut();
  const second = await bed.next(2);
  await bed.live('hansa-2');
  await bed.setAlive(1, true);
  await bed.pass(3_000);
  for (const waitMs of [1_000, 2_000]) {
    await bed.pass(waitMs);
    const trial = await bed.master(1).session();
    await trial.receive('hello');
    trial.send({ type: 'refused', code: 'wrong-master', message: 'not yet', retryable: true });
    await trial.closed();
  }
  assert.equal((await bed.status()).session.master, 'hansa-2');
  second.send({ type: 'view', view: bed.viewAt(7, [2, 3, 1]) });
  assert.equal((await second.receive('acknowledge')).revision, 7);
});

test('what both sessions say during a change of masters is taken in one after the other', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.pass(1_000);
  const next = await bed.master(2).session();
  await next.receive('hello');
  const newest = bed.viewAt(9);
  next.send({ type: 'view', view: newest });
  bed.session.send({ type: 'view', view: bed.viewAt(8) });
  assert.equal((await next.receive('acknowledge')).revision, 9);
  assert.equal((await bed.status()).appliedRevision, 9);
});

test('a member that is put out while it changes masters is out', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.pass(1_000);
  const next = await bed.master(2).session();
  await next.receive('hello');
  next.send({ type: 'ended', reason: 'evicted' });
  assert.equal(await bed.member.outcome, 'all-ended');
  assert.deepEqual(bed.host.interfaces, []);
});

test('masters without authority are gone round, again and again, until one has it', async () => {
  await using bed = await Bed.start();
  bed.session.cut();
  for (const _ of [1, 2]) {
    await bed.pass(200);
    for (const number of [1, 2, 3]) {
      const session = await bed.master(number).session();
      await session.receive('hello');
      session.send({ type: 'refused', code: 'wrong-master', message: 'no lease', retryable: true });
    }
  }
  await bed.pass(200);
  await (await bed.master(1).session()).receive('hello');
  await bed.live('hansa-1');
});

test('a master whose name does not resolve does not hold up the others', async () => {
  await using bed = await Bed.start();
  const view = bed.viewAt(6);
  const [second, ...rest] = view.backups;
  assert.ok(second);
  const nameless = { ...second, wireguard: { host: 'nowhere.example', port: 51_820 } };
  bed.member.resolveHost = () => Promise.reject(new Error('no such name'));
  await bed.send({ ...view, backups: [nameless, ...rest] });
  const endpoints = bed.host.interfaces.map(({ peers }) => peers[0]?.endpoint);
  assert.deepEqual(endpoints, ['192.0.2.1:51820', undefined, '192.0.2.1:51820']);
});

test('a resolver that hangs is not waited for, and its late answer is used', async () => {
  await using bed = await Bed.start();
  const view = bed.viewAt(6);
  const [second, ...rest] = view.backups;
  assert.ok(second);
  const slow = { ...second, wireguard: { host: 'slow.example', port: 51_820 } };
  const lookup = Promise.withResolvers<string>();
  bed.member.resolveHost = () => lookup.promise;
  const accepted = bed.send({ ...view, backups: [slow, ...rest] });
  await bed.pass(1_000);
  await accepted;
  lookup.resolve('192.0.2.77');
  await until('the late endpoint', () =>
    bed.host.interfaces.some(({ peers }) => peers[0]?.endpoint === '192.0.2.77:51820'),
  );
});

test('metrics tell of every path', async () => {
  await using bed = await Bed.start();
  await bed.setAlive(1, false);
  await bed.routed(2);
  const text = await bed.member.get(localMetricsPath);
  const sample = (name: string, master: string) =>
    `${name}{membership="hansa.east",master="${master}"}`;
  assert.ok(text.includes(`${sample('hanse_member_path_alive', 'hansa-1')} 0`));
  assert.ok(text.includes(`${sample('hanse_member_path_in_use', 'hansa-2')} 1`));
  assert.ok(text.includes(`${sample('hanse_member_path_in_use', 'hansa-3')} 0`));
  assert.match(text, /hanse_member_path_moves\{membership="hansa.east"\} 1/);
});
