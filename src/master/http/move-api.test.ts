import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CertificateBed } from '../../../test/support/certificate-bed.ts';
import { invite } from '../../../test/support/invite.ts';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { createInvite } from '../../api/invite-endpoints.ts';
import { getMember, listMembers } from '../../api/member-endpoints.ts';
import { orderMove } from '../../api/move-endpoints.ts';
import { parseMasterName, parseMemberName } from '../../model/names.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import { createInviteToken } from '../../trust/invite-token.ts';
import { membersOf } from '../placing/capacity.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let weser: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'weser'], bremen: ['weser'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  weser = await RunningMaster.start(bed, 'weser');
});
after(async () => {
  await weser[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

const hamburg = 'hamburg';
const joined = (name: string) => joinedNode(name, { bed, master: elbe });

async function view(name: string, subset = hamburg) {
  return (await bed.operator()).call(getMember, { params: { subset, name } });
}

async function order(name: string, token: string): Promise<void> {
  const input = { params: { subset: hamburg, name }, body: { token, graceMs: 60_000 } };
  await (await bed.operator()).call(orderMove, input);
}

async function boundInvite(memberName: string, identityKey: IdentityKey) {
  const body = { memberName: parseMemberName(memberName), identityKey };
  const params = { subset: 'bremen' };
  return (await bed.operator()).call(createInvite, { params, body });
}

/** Says that it takes orders. */
async function live(node: SessionNode, master = elbe): Promise<ClientSession> {
  const session = await node.connect(master.endpoint);
  session.send({ type: 'hello', appliedRevision: 0, appliedEpoch: 0, moves: true });
  await session.expect('view');
  return session;
}

/** Joins bremen as well, with its own certificate and another WireGuard key. */
async function admittedTo(node: SessionNode, token: string) {
  const session = await node.connect(weser.endpoint);
  const keys = { acting: new SessionNode(node.name).wireguardKey };
  session.send({ type: 'join', token, name: parseMemberName(node.name), keys });
  return session.expect('admitted');
}

test('a token that cannot move the member is refused with the reason', async () => {
  await joined('anna');
  const refused = async (token: string, message: RegExp) =>
    assert.rejects(order('anna', token), { code: 'refused', message });
  const token = async (subset: string, memberName?: string) =>
    (await invite(bed, subset, memberName === undefined ? {} : { memberName })).token;
  await refused('hanse_x', /cut off or misspelt/);
  await refused(await token('hamburg', 'anna'), /anna is in hamburg already/);
  await refused(await token('bremen', 'bela'), /it is for bela, and must name anna/);
  await refused(await token('bremen'), /it is for whatever name, and must name anna/);
  const foreign = await createInviteToken(
    {
      ...{ inviteId: crypto.randomUUID(), expiresAtMs: Date.now() + 60_000 },
      ...{ rootFingerprint: 'x'.repeat(43), memberName: parseMemberName('anna') },
      control: [{ master: parseMasterName('weser'), endpoint: weser.endpoint }],
    },
    await (await CertificateBed.create('corp')).intermediate('bremen'),
  );
  await refused(foreign, /it is for another VPN, corp, than corp with the root certificate/);
  assert.equal((await view('anna')).moving, undefined);
});

test('an invite for one node admits no other, whoever has its token', async () => {
  const bela = await joined('bela');
  const { identityKey } = await view('bela');
  const { token, identityKey: bound } = await boundInvite('bela', identityKey);
  assert.equal(bound, identityKey);
  const thief = await new SessionNode('bela').askToJoin(weser.endpoint, token);
  const { code, message } = await thief.expect('refused');
  assert.deepEqual([code, /for another node/.test(message)], ['bad-token', true]);
  assert.equal((await admittedTo(bela, token)).place.name, 'bela');
});

test('a member is told once in each session, with whichever master it is, until it has moved', async () => {
  const clara = await joined('clara');
  const { identityKey } = await view('clara');
  const { token } = await boundInvite('clara', identityKey);
  await using first = await live(clara);
  await order('clara', token);
  assert.deepEqual(await first.expect('move'), { type: 'move', token, graceMs: 60_000 });
  await using second = await live(clara, weser);
  assert.equal((await second.expect('move')).token, token);
  assert.ok(!('token' in ((await view('clara')).moving ?? {})), 'operators are not shown it');

  const { chain } = await admittedTo(clara, token);
  second.send({ type: 'moved', chain });
  await until('hamburg knows', async () => (await view('clara')).movedTo);
  const { movedTo, alsoIn } = await view('clara');
  assert.equal(movedTo?.leavesAtMs, (movedTo?.atMs ?? 0) + 60_000);
  assert.deepEqual(alsoIn, ['bremen']);
  await assert.rejects(order('clara', token), /clara has moved: it is clara\.bremen now/);
  await using third = await live(clara);
  assert.ok(!third.messages.some(({ type }) => type === 'move'));
});

test('a member on its way, in its grace period and after it counts once, where it goes', async () => {
  const operator = await bed.operator();
  const counted = async () =>
    Promise.all(
      ['hamburg', 'bremen'].map(async (subset) => {
        const { counted } = await operator.call(listMembers, { params: { subset }, query: {} });
        return counted ?? Number.NaN;
      }),
    );
  const frieda = await joined('frieda');
  const [here = 0, there = 0] = await counted();
  const { token } = await boundInvite('frieda', (await view('frieda')).identityKey);
  await order('frieda', token);
  assert.deepEqual(await counted(), [here - 1, there + 1], 'on its way');
  const { chain } = await admittedTo(frieda, token);
  assert.deepEqual(await counted(), [here - 1, there + 1], 'in both, and unknown in hamburg');
  await using session = await live(frieda);
  session.send({ type: 'moved', chain });
  await until('hamburg knows', async () => (await view('frieda')).movedTo);
  assert.deepEqual(await counted(), [here - 1, there + 1], 'in its grace period');
  assert.deepEqual(
    [elbe, weser].map((one) => membersOf(one.master.subsets, Date.now())),
    [here - 1, there + 1],
    'and newcomers are placed by the same',
  );
});

test('a certificate of somebody else, and word of an order that there was not, end the session', async () => {
  const [dora, emil] = [await joined('dora'), await joined('emil')];
  await using stray = await live(dora);
  stray.send({ type: 'moved', chain: [...emil.chain] });
  assert.equal((await stray.expect('refused')).code, 'bad-message');

  const { identityKey } = await view('dora');
  const { token } = await boundInvite('dora', identityKey);
  await order('dora', token);
  for (const chain of [[...emil.chain], [emil.chain[0] ?? '']]) {
    await using session = await live(dora);
    await session.expect('move');
    session.send({ type: 'moved', chain });
    assert.equal((await session.expect('refused')).code, 'bad-message');
  }
  await using own = await live(dora);
  await own.expect('move');
  own.send({ type: 'moved', chain: [...dora.chain] });
  own.send({ type: 'not-moved', inviteId: crypto.randomUUID(), reason: 'of another order' });
  own.send({ type: 'hello', appliedRevision: 0, appliedEpoch: 0, moves: true });
  await own.expect('view');
  const { movedTo, moving } = await view('dora');
  assert.deepEqual([movedTo, moving?.to, moving?.failure], [undefined, 'bremen', undefined]);
});
