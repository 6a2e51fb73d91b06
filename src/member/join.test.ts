import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateBed } from '../../test/support/certificate-bed.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemoryHost } from '../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../test/support/running-member.ts';
import { ScriptedMaster } from '../../test/support/scripted-master.ts';
import { until } from '../../test/support/until.ts';
import { callLocal } from '../api/client/local-client.ts';
import { localJoin, localLeave } from '../api/member-local.ts';
import type { RefusalCode } from '../api/messages.ts';
import { HostError } from '../host/host-error.ts';
import { parseMemberName } from '../model/names.ts';

const name = parseMemberName('web-1');

/** A member that is about to present an invite to a master that is about to answer. */
async function joiningMember(options: { readonly root?: string } = {}) {
  await using stack = new AsyncDisposableStack();
  const bed = await CertificateBed.create();
  const master = stack.use(await ScriptedMaster.start(bed));
  const directory = stack.use(await memberDirectory());
  const [clock, host] = [new ManualClock(), new MemoryHost()];
  const token = await master.invite(options);
  const start = () =>
    new RunningMember({ directory: directory.path, join: { token, name } }, { clock, host });
  const kept = stack.move();
  const parts = { bed, master, directory: directory.path, clock, host, token, start };
  return { ...parts, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const membershipFolder = (directory: string) => join(directory, 'memberships', 'hansa.east');

test('a member joins, brings its tunnel up and only then acknowledges, on one connection', async () => {
  await using bed = await joiningMember();
  await using member = bed.start();
  const session = await bed.master.session();
  const request = await session.receive('join');
  assert.equal(request.name, 'web-1');
  assert.equal(request.token, bed.token);
  session.send(await bed.master.admission(session, request));
  assert.deepEqual(await session.receive('acknowledge'), {
    type: 'acknowledge',
    revision: 5,
    epoch: 5,
  });

  const [tunnel] = bed.host.interfaces;
  assert.deepEqual(tunnel?.addresses, ['100.64.0.2', 'fd12:3456:789a:1::2']);
  assert.equal(tunnel?.peers[0]?.endpoint, '192.0.2.1:51820');
  const files = await readdir(membershipFolder(bed.directory));
  assert.deepEqual(files, ['membership.json']);
  const status = await until('live', async () => {
    const now = await member.status();
    return now?.session.state === 'live' && now;
  });
  assert.equal(status.epoch, 5);
  assert.equal(status.session.master, 'hansa-1');
});

test('what a join keeps is for the daemon’s user alone', async () => {
  await using bed = await joiningMember();
  await using member = bed.start();
  await (await bed.master.session()).receive('join');
  const modeOf = async (path: string) => (await stat(join(bed.directory, path))).mode & 0o777;
  assert.equal(await modeOf('identity.pem'), 0o600);
  assert.equal(await modeOf('memberships/hansa.east'), 0o700);
  assert.equal(await modeOf('memberships/hansa.east/pending.json'), 0o600);
  await until('a socket', async () => (await member.status()) !== undefined);
  assert.equal(await modeOf('member.sock'), 0o600);
});

test('the interface is made, empty, while the master still thinks', async () => {
  await using bed = await joiningMember();
  await using _member = bed.start();
  await (await bed.master.session()).receive('join');
  const [tunnel] = await until('an interface', () => bed.host.interfaces[0] && bed.host.interfaces);
  assert.deepEqual(tunnel?.addresses, []);
  assert.deepEqual(tunnel?.peers, []);
});

test('a join whose answer was lost is sent again with the same keys', async () => {
  await using bed = await joiningMember();
  await using _member = bed.start();
  const first = await bed.master.session();
  const request = await first.receive('join');
  const identity = first.identitySpki;
  first.cut();
  await until('a wait', () => bed.clock.hasSleeper(200));
  bed.clock.advance(200);
  const second = await bed.master.session();
  assert.deepEqual(await second.receive('join'), request);
  assert.deepEqual(second.identitySpki, identity);
});

test('a daemon that died while its join was answered goes on with the same keys by itself', async () => {
  await using bed = await joiningMember();
  const first = bed.start();
  const firstSession = await bed.master.session();
  const request = await firstSession.receive('join');
  const identity = firstSession.identitySpki;
  await first[Symbol.asyncDispose]();

  const options = { directory: bed.directory };
  await using _second = new RunningMember(options, bed);
  const session = await bed.master.session();
  assert.deepEqual(await session.receive('join'), request);
  assert.deepEqual(session.identitySpki, identity);
  session.send(await bed.master.admission(session, request));
  await session.receive('acknowledge');
});

test('joining again with the token of an unfinished join goes on with it', async () => {
  await using bed = await joiningMember();
  const first = bed.start();
  const request = await (await bed.master.session()).receive('join');
  await first[Symbol.asyncDispose]();
  await using _second = bed.start();
  assert.deepEqual(await (await bed.master.session()).receive('join'), request);
});

const finalRefusals: readonly RefusalCode[] = ['bad-token', 'token-used', 'name-taken', 'banned'];
for (const code of finalRefusals) {
  test(`a join refused with ${code} ends, leaves nothing and says why`, async () => {
    await using bed = await joiningMember();
    await using member = bed.start();
    const session = await bed.master.session();
    await session.receive('join');
    session.send({ type: 'refused', code, message: 'because', retryable: false });
    await assert.rejects(member.outcome, (error: Error) => {
      assert.match(error.message, /hansa\.east failed: .*because/);
      return 'code' in error && error.code === 'join-refused';
    });
    assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
    assert.deepEqual(bed.host.interfaces, []);
  });
}

for (const code of ['unavailable', 'subset-full'] satisfies readonly RefusalCode[]) {
  test(`a join that is refused for now with ${code} is tried again until it is answered`, async () => {
    await using bed = await joiningMember();
    await using member = bed.start();
    for (const _ of [1, 2, 3]) {
      const session = await bed.master.session();
      await session.receive('join');
      session.send({ type: 'refused', code, message: 'later', retryable: true });
      await until('a wait', () => bed.clock.hasSleeper(200));
      assert.equal((await member.status())?.session.state, 'joining');
      bed.clock.advance(200);
    }
    const session = await bed.master.session();
    session.send(await bed.master.admission(session, await session.receive('join')));
    await session.receive('acknowledge');
  });
}

test('a master with another root than the invite pins learns nothing of the invite', async () => {
  await using bed = await joiningMember({ root: 'A'.repeat(43) });
  await using member = bed.start();
  await assert.rejects(member.outcome, { code: 'untrusted-master' });
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
});

test('whoever shows the right root and no certificate from it learns nothing of the invite', async () => {
  const [bed, stranger] = [await CertificateBed.create(), await CertificateBed.create()];
  const identity = stranger.master('hansa-1');
  await using master = await ScriptedMaster.start(bed, {
    credentials: await stranger.issue(identity),
  });
  await using directory = await memberDirectory();
  const parts = { clock: new ManualClock(), host: new MemoryHost() };
  const token = await master.invite();
  await using member = new RunningMember({ directory: directory.path, join: { token } }, parts);
  await assert.rejects(member.outcome, { code: 'untrusted-master' });
});

test('a member’s certificate does not make a master', async () => {
  const bed = await CertificateBed.create();
  const credentials = await bed.issue(bed.member('east', 'hansa-1'));
  await using master = await ScriptedMaster.start(bed, { credentials });
  await using directory = await memberDirectory();
  const parts = { clock: new ManualClock(), host: new MemoryHost() };
  const token = await master.invite();
  await using member = new RunningMember({ directory: directory.path, join: { token } }, parts);
  await assert.rejects(member.outcome, { code: 'untrusted-master' });
});

test('another master’s certificate does not do for the one that the invite names', async () => {
  const bed = await CertificateBed.create();
  const credentials = await bed.issue(bed.master('hansa-2'));
  await using master = await ScriptedMaster.start(bed, { credentials });
  await using directory = await memberDirectory();
  const parts = { clock: new ManualClock(), host: new MemoryHost() };
  const token = await master.invite();
  await using member = new RunningMember({ directory: directory.path, join: { token } }, parts);
  await assert.rejects(member.outcome, { code: 'untrusted-master' });
});

test('an admission to another subset than the invite’s is not taken', async () => {
  await using bed = await joiningMember();
  await using _member = bed.start();
  const session = await bed.master.session();
  const request = await session.receive('join');
  session.send(await bed.master.admission(session, request, { subset: 'west' }));
  await session.closed();
  assert.deepEqual(await readdir(membershipFolder(bed.directory)), ['pending.json']);
});

test('a certificate for other keys is not taken', async () => {
  await using bed = await joiningMember();
  await using _member = bed.start();
  const session = await bed.master.session();
  const request = await session.receive('join');
  const answer = await bed.master.admission(session, request);
  const other = await bed.bed.issue(bed.bed.member('east', 'web-1'));
  session.send({ ...answer, chain: [...other.chain] });
  await session.closed();
  assert.deepEqual(await readdir(membershipFolder(bed.directory)), ['pending.json']);
});

test('a host whose networks the VPN would hide gives its place back', async () => {
  await using bed = await joiningMember();
  bed.host.overlap = new HostError('100.64.0.0/10 is in use here', { code: 'overlap' });
  await using member = bed.start();
  const session = await bed.master.session();
  const request = await session.receive('join');
  session.send(await bed.master.admission(session, request));
  await session.receive('leave');
  await assert.rejects(member.outcome, { code: 'overlap' });
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
  assert.deepEqual(bed.host.interfaces, []);
});

test('a token that is none fails at once and touches nothing', async () => {
  await using bed = await joiningMember();
  const options = { directory: bed.directory, join: { token: bed.token.slice(0, -9), name } };
  await using member = new RunningMember(options, bed);
  await assert.rejects(member.outcome, { code: 'malformed' });
  assert.deepEqual(bed.host.applied, []);
});

test('a member joins a second subset with the certificate of the first, and keeps the first routes', async () => {
  await using bed = await joiningMember();
  await using member = bed.start();
  const first = await bed.master.session();
  first.send(await bed.master.admission(first, await first.receive('join')));
  await first.receive('acknowledge');
  await until('a socket', async () => (await member.status()) !== undefined);

  const token = await bed.master.invite({ subset: 'west' });
  const answer = callLocal(member.socketPath, localJoin, { token, name });
  const second = await bed.master.session();
  const request = await second.receive('join');
  assert.equal(second.clientName, 'DNS:web-1.east.hansa.hanse.internal');
  const admission = await bed.master.admission(second, request, { subset: 'west' });
  second.send(admission);
  assert.equal((await answer).membership, 'hansa.west');
  assert.equal(bed.host.interfaces.length, 2);
  assert.equal(bed.host.interfaces[0]?.routes.length, 2);
  assert.deepEqual(
    bed.host.interfaces[1]?.routes.map(({ destination }) => destination),
    ['fd12:3456:789a:1::/64'],
  );
});

test('a join that nobody answers can be given up, and another one begun', async () => {
  await using bed = await joiningMember();
  await using member = bed.start();
  await (await bed.master.session()).receive('join');
  await until('a socket', async () => (await member.status()) !== undefined);
  const { socketPath } = member;
  await assert.rejects(callLocal(socketPath, localLeave, {}), { code: 'not-connected' });
  const answer = await callLocal(socketPath, localLeave, { force: true });
  assert.deepEqual(answer, { membership: 'hansa.east', reason: 'forgotten' });
  await assert.rejects(member.outcome, { code: 'join-refused' });
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
  assert.deepEqual(bed.host.interfaces, []);
});

test('an invite of another VPN of the same name is refused', async () => {
  await using bed = await joiningMember();
  await using member = bed.start();
  const session = await bed.master.session();
  session.send(await bed.master.admission(session, await session.receive('join')));
  await session.receive('acknowledge');
  await until('a socket', async () => (await member.status()) !== undefined);
  await using other = await ScriptedMaster.start(await CertificateBed.create());
  const token = await other.invite({ subset: 'west' });
  const memberships = () => readdir(join(bed.directory, 'memberships'));
  const before = await memberships();
  await assert.rejects(callLocal(member.socketPath, localJoin, { token }), { code: 'other-vpn' });
  assert.deepEqual(await memberships(), before, 'nothing of it stays');
  const again = await bed.master.invite();
  const request = callLocal(member.socketPath, localJoin, { token: again });
  await assert.rejects(request, { code: 'already-member' });
});

test('no log and no file but the state’s own holds the token', async () => {
  await using bed = await joiningMember();
  await using _member = bed.start();
  const session = await bed.master.session();
  const request = await session.receive('join');
  session.send(await bed.master.admission(session, request));
  await session.receive('acknowledge');
  const state = await readFile(join(membershipFolder(bed.directory), 'membership.json'), 'utf8');
  assert.ok(!state.includes(bed.token));
});
