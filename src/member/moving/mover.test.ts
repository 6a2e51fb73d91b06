import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateBed, hourMs } from '../../../test/support/certificate-bed.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MemoryHost } from '../../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../../test/support/scripted-master.ts';
import { until } from '../../../test/support/until.ts';
import { callLocal } from '../../api/client/local-client.ts';
import { localStatus } from '../../api/member-local.ts';
import { parseMemberName } from '../../model/names.ts';
import { rootFingerprint } from '../../trust/certificate-check.ts';
import { createInviteToken, readInviteToken } from '../../trust/invite-token.ts';

const inviteIds = [1, 2, 3].map((number) => `6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d${number}`);

interface TokenOptions {
  readonly subset?: string;
  readonly name?: string;
  readonly root?: string;
  readonly endsInMs?: number;
  /** Which order it is, from 0. */
  readonly order?: number;
}

/** A member of hansa.east, called web-1, and the master of all subsets. */
class Bed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly host = new MemoryHost();
  readonly #stack = new AsyncDisposableStack();
  master!: ScriptedMaster;
  directory!: string;
  member!: RunningMember;
  session!: ScriptedSession;

  static async start(): Promise<Bed> {
    const bed = new Bed();
    bed.host.answersProbes = true;
    bed.master = bed.#stack.use(await ScriptedMaster.start(await CertificateBed.create()));
    bed.directory = bed.#stack.use(await memberDirectory()).path;
    bed.#stack.defer(() => bed.member[Symbol.asyncDispose]());
    const join = { token: await bed.master.invite(), name: parseMemberName('web-1') };
    bed.member = new RunningMember({ directory: bed.directory, join }, bed);
    bed.session = await bed.master.session();
    const asked = await bed.session.receive('join');
    bed.session.send(await bed.master.admission(bed.session, asked));
    await bed.session.receive('acknowledge');
    return bed;
  }

  async restart(): Promise<void> {
    await this.member[Symbol.asyncDispose]();
    this.member = new RunningMember({ directory: this.directory }, this);
    this.session = await this.master.session();
    assert.equal((await this.session.receive('hello')).moves, true);
  }

  async token(options: TokenOptions = {}): Promise<string> {
    const { bed, name: master, endpoint } = this.master;
    const { subset = 'west', name = 'web-1', endsInMs = hourMs, order = 0 } = options;
    const claims = {
      inviteId: inviteIds[order] ?? '',
      expiresAtMs: this.clock.nowMs() + endsInMs,
      rootFingerprint: options.root ?? rootFingerprint(bed.root.certificatePem),
      control: [{ master, endpoint }] as const,
      memberName: parseMemberName(name),
    };
    return createInviteToken(claims, await bed.intermediate(subset));
  }

  async order(options: TokenOptions = {}): Promise<void> {
    this.session.send({ type: 'move', token: await this.token(options), graceMs: 60_000 });
  }

  /** Where the member asks for the other subset, by the order. */
  async joining() {
    const session = await this.master.session();
    return { session, asked: await session.receive('join') };
  }

  /** What it asks for next is that subset, and it is in no other one but its own. */
  async assertJoinsOnly(subset: string): Promise<void> {
    const { asked } = await this.joining();
    assert.equal(readInviteToken(asked.token, { nowMs: 0 }).subset, subset);
    const { memberships } = await callLocal(this.member.socketPath, localStatus, undefined);
    const names = memberships.map((membership) => membership.subset);
    assert.deepEqual(names, ['east', subset]);
  }

  async stateOf(subset: string): Promise<string | undefined> {
    const { memberships } = await callLocal(this.member.socketPath, localStatus, undefined);
    return memberships.find((membership) => membership.subset === subset)?.session.state;
  }

  /** It is let into the other subset, where no packets come through. */
  async joined(subset: string): Promise<ScriptedSession> {
    this.host.answersProbes = false;
    const { session, asked } = await this.joining();
    session.send(await this.master.admission(session, asked, { subset }));
    await session.receive('acknowledge');
    await until('its session is live', async () => (await this.stateOf(subset)) === 'live');
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

for (const [what, options, reason] of [
  ['to another VPN', { root: 'x'.repeat(43) }, /another VPN that is called hansa/],
  ['to the subset that it is in', { subset: 'east' }, /in east already/],
  ['under another name', { name: 'web-2' }, /another name/],
  ['that has ended', { endsInMs: 0 }, /west was not reached before the order ended, at 20/],
] as const) {
  test(`an order ${what} is refused, and nothing is joined`, async () => {
    await using bed = await Bed.start();
    await bed.order(options);
    const { inviteId, reason: said } = await bed.session.receive('not-moved');
    assert.equal(inviteId, inviteIds[0]);
    assert.match(said, reason);
    assert.equal(bed.host.interfaces.length, 1);
    await bed.restart();
    await bed.order(options);
    assert.match((await bed.session.receive('not-moved')).reason, reason, 'and it is remembered');
  });
}

test('what is no token is passed over, and the session goes on', async () => {
  await using bed = await Bed.start();
  bed.session.send({ type: 'move', token: 'hanse_x', graceMs: 0 });
  await bed.order({ subset: 'east' });
  assert.match((await bed.session.receive('not-moved')).reason, /in east already/);
});

test('the first thing that a refusal changes is nothing', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const { session } = await bed.joining();
  assert.match(String(session.clientName), /web-1\.east\./, 'it shows who it is');
  const message = 'there is a member web-1 in west';
  session.send({ type: 'refused', code: 'name-taken', message, retryable: false });
  assert.match((await bed.session.receive('not-moved')).reason, /there is a member web-1 in west/);
  const status = await bed.member.status();
  assert.deepEqual([status?.session.state, status?.move?.stage], ['live', 'not-moved']);
  assert.equal(bed.host.interfaces.length, 1);
});

test('a new order takes the place of one that nobody answers', async () => {
  await using bed = await Bed.start();
  await bed.order();
  await bed.joining();
  await bed.order({ subset: 'north', order: 1 });
  await bed.assertJoinsOnly('north');
});

test('a join that an order waits for is not begun anew when another order takes its place', async () => {
  await using bed = await Bed.start();
  await bed.order();
  await bed.joining();
  await bed.order({ order: 1, endsInMs: 2 * hourMs });
  // Tokens end at a whole second.
  const left = 2 * hourMs - (bed.clock.nowMs() % 1_000);
  await until('it is taken up', () => bed.clock.hasSleeper(left));
  await bed.order({ subset: 'north', order: 2 });
  await bed.assertJoinsOnly('north');
});

test('a membership that ends before its tunnel carries packets is none to move to', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const west = await bed.joined('west');
  west.send({ type: 'ended', reason: 'evicted' });
  await until('it is over', async () => (await bed.stateOf('west')) === 'ended');
  await until('the move is looked at', () => {
    bed.clock.advance(200);
    return bed.member.status().then((status) => status?.move?.stage === 'not-moved');
  });
  assert.match((await bed.session.receive('not-moved')).reason, /in west was over before/);
});

test('an order that nobody answers before it ends is given up', async () => {
  await using bed = await Bed.start();
  await bed.order({ endsInMs: 4_000 });
  await bed.joining();
  bed.clock.advance(4_000);
  assert.match((await bed.session.receive('not-moved')).reason, /west was not reached before/);
});

test('a session goes on while what an earlier order has begun is taken back', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const west = await bed.joined('west');
  await bed.order({ subset: 'north', order: 1 });
  await west.receive('leave');
  bed.session.send({ type: 'view', view: bed.master.view(6) });
  assert.equal((await bed.session.receive('acknowledge')).revision, 6);
  west.send({ type: 'ended', reason: 'left' });
  const { asked } = await bed.joining();
  assert.equal(readInviteToken(asked.token, { nowMs: 0 }).subset, 'north');
});

test('the keys of a membership that has ended are gone, whatever becomes of its move', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const west = await bed.joined('west');
  bed.session.send({ type: 'ended', reason: 'evicted' });
  await west.receive('leave');
  await until('it is over', async () => (await bed.stateOf('east')) === 'ended');
  west.send({ type: 'ended', reason: 'left' });
});

test('what was joined by an order is left when another one to the same subset is given up', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const west = await bed.joined('west');
  bed.clock.advance(1);
  await bed.order({ order: 1, endsInMs: 4_000 });
  // Tokens end at a whole second.
  const left = 4_000 - (bed.clock.nowMs() % 1_000);
  await until('it is taken up', () => bed.clock.hasSleeper(left));
  bed.clock.advance(4_000);
  await west.receive('leave');
  west.send({ type: 'ended', reason: 'left' });
  assert.match((await bed.session.receive('not-moved')).reason, /west was not reached before/);
});

test('what was joined by an order is left when the next one to the same subset cannot be followed', async () => {
  await using bed = await Bed.start();
  await bed.order();
  const west = await bed.joined('west');
  await bed.order({ order: 1, name: 'web-2' });
  await west.receive('leave');
  west.send({ type: 'ended', reason: 'left' });
  assert.match((await bed.session.receive('not-moved')).reason, /another name/);
});
