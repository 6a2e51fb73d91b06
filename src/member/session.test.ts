import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateBed, hourMs } from '../../test/support/certificate-bed.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemoryHost } from '../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../test/support/scripted-master.ts';
import { until } from '../../test/support/until.ts';
import { callLocal } from '../api/client/local-client.ts';
import { localLeave, localMetricsPath } from '../api/member-local.ts';
import type { JoinMessage, MasterMessage, View } from '../api/messages.ts';
import { parseMemberName } from '../model/names.ts';
import type { CertificatePeriod } from '../trust/signed-certificate.ts';
import { derivePresharedKey } from '../trust/wireguard-keys.ts';

/** A member that has joined with revision 5, and its first session. */
class Bed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly host = new MemoryHost();
  readonly master: ScriptedMaster;
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();
  member!: RunningMember;
  session!: ScriptedSession;
  joined!: JoinMessage;
  view!: View;

  private constructor(master: ScriptedMaster, directory: string) {
    this.master = master;
    this.directory = directory;
  }

  static async start(period?: CertificatePeriod): Promise<Bed> {
    const certificates = await CertificateBed.create();
    const master = await ScriptedMaster.start(certificates);
    const directory = await memberDirectory();
    const bed = new Bed(master, directory.path);
    bed.#stack.use(directory);
    bed.#stack.use(master);
    bed.#stack.defer(() => bed.member[Symbol.asyncDispose]());
    const join = { token: await master.invite(), name: parseMemberName('web-1') };
    bed.member = new RunningMember({ directory: directory.path, join }, bed);
    bed.session = await master.session();
    bed.joined = await bed.session.receive('join');
    const options = period === undefined ? {} : { period };
    const admission = await master.admission(bed.session, bed.joined, options);
    bed.view = admission.view;
    bed.session.send(admission);
    await bed.session.receive('acknowledge');
    return bed;
  }

  /** The daemon dies and another one starts. */
  async restart(): Promise<void> {
    await this.member[Symbol.asyncDispose]();
    this.member = new RunningMember({ directory: this.directory }, this);
  }

  /** The session is gone; the member waits, and time passes until it tries again. */
  async reconnected(): Promise<ScriptedSession> {
    await until('a wait', () => this.clock.hasSleeper(200));
    this.clock.advance(200);
    return await this.master.session();
  }

  keyChanged(previousRevision: number, revision: number): MasterMessage & { type: 'key-changed' } {
    const { key } = this.master.view(revision);
    return { type: 'key-changed', previousRevision, revision, key };
  }

  presharedKeyOf(key: View['key']) {
    const { groupKey, epoch } = key;
    const [peer] = this.host.interfaces[0]?.peers ?? [];
    assert.ok(peer);
    return derivePresharedKey({
      groupKey,
      epoch,
      publicKeys: [this.joined.keys.acting, peer.publicKey],
    });
  }

  get presharedKey() {
    return this.host.interfaces[0]?.peers[0]?.presharedKey;
  }

  stateFile = () => join(this.directory, 'memberships', 'hansa.east', 'membership.json');

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

test('a new key is on the disk and in the host before it is acknowledged', async () => {
  await using bed = await Bed.start();
  const change = bed.keyChanged(5, 7);
  bed.session.send(change);
  assert.equal((await bed.session.receive('acknowledge')).revision, 7);
  assert.equal(bed.presharedKey, bed.presharedKeyOf(change.key));
  const stored = JSON.parse(await readFile(bed.stateFile(), 'utf8'));
  assert.equal(stored.view.key.groupKey, change.key.groupKey);
});

test('changes that come together are applied once and acknowledged once', async () => {
  await using bed = await Bed.start();
  const before = bed.host.applied.length;
  const last = bed.keyChanged(7, 8);
  bed.session.sendTogether([bed.keyChanged(5, 6), bed.keyChanged(6, 7), last]);
  assert.equal((await bed.session.receive('acknowledge')).revision, 8);
  assert.equal(bed.presharedKey, bed.presharedKeyOf(last.key));
  assert.equal(bed.host.applied.length, before + 1);
  assert.deepEqual(bed.session.unread, []);
});

test('how far to spread is taken beside the view, and outlasts a new key', async () => {
  await using bed = await Bed.start();
  bed.session.sendTogether([{ type: 'spread', spreadMs: 25_000 }, bed.keyChanged(5, 7)]);
  assert.equal((await bed.session.receive('acknowledge')).revision, 7);
  assert.equal(JSON.parse(await readFile(bed.stateFile(), 'utf8')).view.spreadMs, 25_000);
});

test('repeated and late changes change nothing and are not acknowledged', async () => {
  await using bed = await Bed.start();
  const change = bed.keyChanged(5, 7);
  bed.session.send(change);
  await bed.session.receive('acknowledge');
  bed.session.sendTogether([change, bed.keyChanged(4, 6), { type: 'view', view: bed.view }]);
  bed.session.send(bed.keyChanged(7, 8));
  assert.equal((await bed.session.receive('acknowledge')).revision, 8);
});

test('a member that missed a change says which view it has', async () => {
  await using bed = await Bed.start();
  bed.session.send(bed.keyChanged(6, 7));
  assert.equal((await bed.session.receive('hello')).appliedRevision, 5);
  bed.session.send({ type: 'view', view: bed.master.view(7) });
  assert.equal((await bed.session.receive('acknowledge')).revision, 7);
});

test('a member that was cut off comes back and says which view it has', async () => {
  await using bed = await Bed.start();
  bed.session.send(bed.keyChanged(5, 7));
  await bed.session.receive('acknowledge');
  bed.session.cut();
  const session = await bed.reconnected();
  assert.equal((await session.receive('hello')).appliedRevision, 7);
  assert.equal(session.clientName, 'DNS:web-1.east.hansa.hanse.internal');
});

test('a change that the host could not take is not acknowledged until it can', async () => {
  await using bed = await Bed.start();
  bed.host.failures.push(new Error('no'));
  bed.session.send(bed.keyChanged(5, 7));
  const session = await bed.reconnected();
  assert.equal((await session.receive('hello')).appliedRevision, 7);
  assert.notEqual(bed.presharedKey, undefined);
});

test('a view whose master the root does not vouch for is not taken', async () => {
  await using bed = await Bed.start();
  const stranger = await CertificateBed.create();
  const { chain } = await stranger.issue(stranger.master('hansa-1'));
  const acting = { ...bed.master.contact, chain: [...chain] };
  const before = bed.host.applied.length;
  bed.session.send({ type: 'view', view: bed.master.view(9, { acting }) });
  await bed.session.closed();
  assert.equal(bed.host.applied.length, before);
  assert.equal((await (await bed.reconnected()).receive('hello')).appliedRevision, 5);
});

test('a member’s certificate in the place of a master’s is not taken', async () => {
  await using bed = await Bed.start();
  const certificates = bed.master.bed;
  const { chain } = await certificates.issue(certificates.member('east', 'hansa-1'));
  const acting = { ...bed.master.contact, chain: [...chain] };
  bed.session.send({ type: 'view', view: bed.master.view(9, { acting }) });
  await bed.session.closed();
});

const badFrames: Record<string, string | Uint8Array> = {
  'is not JSON': 'hello',
  'is of no known type': '{"type":"surprise"}',
  'lacks a field': '{"type":"ended"}',
  'is binary': Buffer.from('{"type":"ended","reason":"left"}'),
  'is longer than any view': JSON.stringify({ type: 'refused', message: 'x'.repeat(300_000) }),
};
for (const [what, frame] of Object.entries(badFrames)) {
  test(`a message that ${what} ends the session and nothing else`, async () => {
    await using bed = await Bed.start();
    bed.session.sendRaw(frame);
    await bed.session.closed();
    const session = await bed.reconnected();
    assert.equal((await session.receive('hello')).appliedRevision, 5);
  });
}

test('a second admission in a session ends it', async () => {
  await using bed = await Bed.start();
  bed.session.send(await bed.master.admission(bed.session, bed.joined));
  await bed.session.closed();
});

test('a master that falls silent is left after 45 seconds', async () => {
  await using bed = await Bed.start();
  await until('live', async () => (await bed.member.status())?.session.state === 'live');
  bed.session.mute();
  for (const _ of [1, 2, 3]) {
    await until('a heartbeat to come', () => bed.clock.hasSleeper(15_000));
    bed.clock.advance(15_000);
  }
  await until('a wait', () => bed.clock.hasSleeper(200));
  const status = await bed.member.status();
  assert.match(status?.session.lastError ?? '', /silent for 45 s/);
});

test('a certificate is renewed at two thirds of its life, and the next session shows the new one', async () => {
  const nowMs = Date.now();
  await using bed = await Bed.start({ fromMs: nowMs, untilMs: nowMs + 30_000 });
  await until('live', async () => (await bed.member.status())?.session.state === 'live');
  bed.clock.advance(15_000);
  assert.deepEqual(bed.session.unread, []);
  bed.clock.advance(6_000);
  await bed.session.receive('renew');
  const chain = await bed.master.chainFor(bed.session, bed.joined);
  bed.session.send({ type: 'renewed', chain });
  await until('a later end', async () => {
    const endsAtMs = (await bed.member.status())?.certificateEndsAtMs ?? 0;
    return endsAtMs > nowMs + 30_000;
  });
  assert.deepEqual(JSON.parse(await readFile(bed.stateFile(), 'utf8')).chain, chain);
  bed.session.cut();
  const session = await bed.reconnected();
  assert.equal(session.clientCertificate, chain[0]?.trim());
});

test('a renewal that is not answered is asked for again', async () => {
  const nowMs = Date.now();
  await using bed = await Bed.start({ fromMs: nowMs, untilMs: nowMs + 30_000 });
  await until('live', async () => (await bed.member.status())?.session.state === 'live');
  bed.clock.advance(21_000);
  await bed.session.receive('renew');
  await until('a retry to come', () => bed.clock.hasSleeper(1_500));
  bed.clock.advance(1_500);
  await bed.session.receive('renew');
});

test('a renewed certificate for somebody else is not taken', async () => {
  await using bed = await Bed.start();
  const identity = bed.master.bed.member('east', 'web-2');
  const chain = await bed.master.chainFor(bed.session, bed.joined, { identity });
  bed.session.send({ type: 'renewed', chain });
  await bed.session.closed();
});

test('with an expired certificate a member asks for a new one before anything else', async () => {
  const nowMs = Date.now();
  await using bed = await Bed.start({ fromMs: nowMs, untilMs: nowMs + hourMs });
  await bed.member[Symbol.asyncDispose]();
  bed.clock.advance(2 * hourMs);
  await bed.restart();
  const session = await bed.master.session();
  await session.receive('renew');
  const period = { fromMs: bed.clock.nowMs(), untilMs: bed.clock.nowMs() + hourMs };
  const chain = await bed.master.chainFor(session, bed.joined, { period });
  session.send({ type: 'renewed', chain });
  // The masters' certificates have run out as well by this clock, so the whole view is wanted.
  assert.equal((await session.receive('hello')).appliedRevision, 0);
});

test('a suspension never ends a membership, not even with an expired certificate', async () => {
  await using bed = await Bed.start();
  const refused = {
    ...({ type: 'refused', code: 'suspended', retryable: true } as const),
    message: 'web-1 is suspended in east',
  };
  bed.session.send(refused);
  const early = await bed.reconnected();
  assert.equal((await early.receive('hello')).appliedRevision, 5);
  bed.clock.advance(7 * hourMs);
  early.cut();
  const late = await bed.reconnected();
  await late.receive('renew');
  late.send(refused);
  const confirmed = await bed.reconnected();
  await confirmed.receive('renew');
  assert.notEqual((await bed.member.status())?.session.state, 'ended');
  assert.notDeepEqual(bed.host.interfaces, []);
});

for (const reason of ['evicted', 'banned', 'expired'] as const) {
  test(`a member that is ${reason} removes its keys and its interface and says why`, async () => {
    await using bed = await Bed.start();
    bed.session.send({ type: 'ended', reason });
    assert.equal(await bed.member.outcome, 'all-ended');
    assert.deepEqual(bed.host.interfaces, []);
    const folder = join(bed.directory, 'memberships', 'hansa.east');
    assert.deepEqual(await readdir(folder), ['ended.json']);
    const tombstone = JSON.parse(await readFile(join(folder, 'ended.json'), 'utf8'));
    assert.equal(tombstone.reason, reason);
  });
}

test('an end that a crash cut short is finished at the next start', async () => {
  await using bed = await Bed.start();
  await bed.member[Symbol.asyncDispose]();
  const folder = join(bed.directory, 'memberships', 'hansa.east');
  const tombstone = {
    version: 1,
    vpn: 'hansa',
    subset: 'east',
    name: 'web-1',
    reason: 'evicted',
    endedAtMs: 1,
  };
  await writeFile(join(folder, 'ended.json'), JSON.stringify(tombstone));
  await bed.restart();
  assert.equal(await bed.member.outcome, 'all-ended');
  assert.deepEqual(await readdir(folder), ['ended.json']);
  assert.deepEqual(bed.host.interfaces, []);
});

test('a daemon without any membership says that there is none, and to join first', async () => {
  await using directory = await memberDirectory();
  const parts = { clock: new ManualClock(), host: new MemoryHost() };
  await using member = new RunningMember({ directory: directory.path }, parts);
  await assert.rejects(member.outcome, { code: 'nothing-to-run', message: /join with a token/ });
});

test('a member leaves when its master has recorded it', async () => {
  await using bed = await Bed.start();
  await until('live', async () => (await bed.member.status())?.session.state === 'live');
  const answer = callLocal(bed.member.socketPath, localLeave, {});
  await bed.session.receive('leave');
  bed.session.send({ type: 'ended', reason: 'left' });
  assert.deepEqual(await answer, { membership: 'hansa.east', reason: 'left' });
  assert.equal(await bed.member.outcome, 'all-ended');
});

test('a member that no master can hear only leaves by force', async () => {
  await using bed = await Bed.start();
  bed.session.cut();
  await until('a wait', () => bed.clock.hasSleeper(200));
  const { socketPath } = bed.member;
  await assert.rejects(callLocal(socketPath, localLeave, {}), { code: 'not-connected' });
  const answer = await callLocal(socketPath, localLeave, { force: true });
  assert.deepEqual(answer, { membership: 'hansa.east', reason: 'forgotten' });
  assert.deepEqual(bed.host.interfaces, []);
});

test('leaving a membership that is none is refused', async () => {
  await using bed = await Bed.start();
  const { socketPath } = bed.member;
  await until('a socket', async () => (await bed.member.status()) !== undefined);
  const request = callLocal(socketPath, localLeave, { membership: 'hansa.west' });
  await assert.rejects(request, { code: 'no-membership', message: /hansa\.west.*hansa\.east/ });
});

test('a member comes up from its disk with every master down', async () => {
  await using bed = await Bed.start();
  const wanted = bed.host.interfaces;
  await bed.master[Symbol.asyncDispose]();
  bed.host.applied.length = 0;
  await bed.restart();
  await until('an interface', () => bed.host.interfaces.length > 0);
  assert.deepEqual(bed.host.interfaces, wanted);
});

test('a refusal of the acting master leads to its backup', async () => {
  await using bed = await Bed.start();
  const backup = await ScriptedMaster.start(bed.master.bed, { name: 'hansa-2' });
  try {
    bed.session.send({ type: 'view', view: bed.master.view(6, { backups: [backup.contact] }) });
    await bed.session.receive('acknowledge');
    bed.session.cut();
    const session = await bed.reconnected();
    await session.receive('hello');
    session.send({ type: 'refused', code: 'wrong-master', message: 'gone', retryable: true });
    assert.equal((await (await backup.session()).receive('hello')).appliedRevision, 6);
  } finally {
    await bed.member[Symbol.asyncDispose]();
    await backup[Symbol.asyncDispose]();
  }
});

test('a valid certificate outweighs a master that knows nothing of the member', async () => {
  await using bed = await Bed.start();
  const message = 'who are you?';
  bed.session.send({ type: 'refused', code: 'not-a-member', message, retryable: false });
  const session = await bed.reconnected();
  await session.receive('hello');
});

test('a member that was banned while it was away hears so at its return, and is out', async () => {
  await using bed = await Bed.start();
  bed.session.cut();
  const session = await bed.reconnected();
  await session.receive('hello');
  const message = 'web-1 was banned of east';
  session.send({ type: 'refused', code: 'banned', message, retryable: false });
  assert.equal(await bed.member.outcome, 'all-ended');
  assert.deepEqual(bed.host.interfaces, []);
  const folder = join(bed.directory, 'memberships', 'hansa.east');
  assert.deepEqual(await readdir(folder), ['ended.json']);
  assert.equal(JSON.parse(await readFile(join(folder, 'ended.json'), 'utf8')).reason, 'banned');
});

test('a ban that somebody else than a master of the view tells is not heard', async () => {
  await using bed = await Bed.start();
  const stranger = await CertificateBed.create();
  const credentials = await stranger.issue(stranger.master('hansa-1'));
  await using impostor = await ScriptedMaster.start(bed.master.bed, { credentials });
  const acting = { ...bed.master.contact, control: impostor.endpoint };
  bed.session.send({ type: 'view', view: bed.master.view(6, { acting }) });
  await bed.session.receive('acknowledge');
  bed.session.cut();
  await until('a wait', () => bed.clock.hasSleeper(200));
  bed.clock.advance(200);
  await until('the refusal of the impostor', async () => {
    const status = await bed.member.status();
    return /not the master that it should be/.test(status?.session.lastError ?? '');
  });
});

test('after the restoration of an older store a member takes the older view that answers it', async () => {
  await using bed = await Bed.start();
  bed.session.send(bed.keyChanged(5, 7));
  await bed.session.receive('acknowledge');
  bed.session.cut();
  const session = await bed.reconnected();
  assert.equal((await session.receive('hello')).appliedRevision, 7);
  const older = bed.master.view(3);
  session.send({ type: 'view', view: older });
  assert.equal((await session.receive('acknowledge')).revision, 3);
  assert.equal(bed.presharedKey, bed.presharedKeyOf(older.key));
  const stored = JSON.parse(await readFile(bed.stateFile(), 'utf8'));
  assert.deepEqual([stored.view.revision, stored.view.key.epoch], [3, 3]);

  session.sendTogether([bed.keyChanged(1, 2), { type: 'view', view: bed.master.view(1) }]);
  session.send(bed.keyChanged(3, 4));
  assert.equal((await session.receive('acknowledge')).revision, 4);
});

test('a corrupt state file is named, and its contents are not shown', async () => {
  await using bed = await Bed.start();
  await bed.member[Symbol.asyncDispose]();
  const text = await readFile(bed.stateFile(), 'utf8');
  await writeFile(bed.stateFile(), text.slice(0, text.length / 2));
  await bed.restart();
  await assert.rejects(bed.member.outcome, (error: Error) => {
    assert.ok(error.message.includes(bed.stateFile()));
    assert.ok(!error.message.includes('privateKey"'));
    return 'code' in error && error.code === 'corrupt-state';
  });
});

test('a corrupt identity is named and never replaced', async () => {
  await using bed = await Bed.start();
  await bed.member[Symbol.asyncDispose]();
  const file = join(bed.directory, 'identity.pem');
  await writeFile(file, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  await bed.restart();
  await assert.rejects(bed.member.outcome, { code: 'corrupt-state', fields: { file } });
});

test('two daemons do not run on one directory', async () => {
  await using bed = await Bed.start();
  await using second = new RunningMember({ directory: bed.directory }, bed);
  await assert.rejects(second.outcome, { code: 'directory-busy' });
});

test('metrics count control messages by kind and peer', async () => {
  await using bed = await Bed.start();
  await until('a socket', async () => (await bed.member.status()) !== undefined);
  const text = await bed.member.get(localMetricsPath);
  const labels = 'direction="received",peer="master:hansa-1",kind="admitted"';
  assert.ok(text.includes(`hanse_member_control_messages_total{${labels}} 1`));
  assert.match(text, /hanse_member_epoch\{membership="hansa.east"\} 5/);
});
