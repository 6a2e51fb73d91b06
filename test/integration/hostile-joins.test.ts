import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { maxMemberMessageBytes, type RefusedMessage } from '../../src/api/messages.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { parseMemberName } from '../../src/model/names.ts';
import type { WireguardPublicKey } from '../../src/model/wireguard-key.ts';
import { createInviteToken, readInviteToken } from '../../src/trust/invite-token.ts';
import { CertificateBed } from '../support/certificate-bed.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { HostileBed } from '../support/lab/hostile-bed.ts';
import { readFigure, readRefusals } from '../support/lab/master-figures.ts';
import { stealAuthority } from '../support/lab/stolen-keys.ts';
import { vpnInterface } from '../support/lab/vpn-interface.ts';
import { type ClientSession, SessionNode } from '../support/session-client.ts';
import { until } from '../support/until.ts';

const races = 10;
const racers = 4;

describe('a stranger', { timeout: 300_000 }, () => {
  let bed: HostileBed;
  let serial = 0;
  before(async () => {
    bed = await HostileBed.create();
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  const newcomer = (): SessionNode => {
    serial += 1;
    return new SessionNode(`newcomer-${serial}`);
  };
  const refusedJoin = (
    token: string,
    countedAs: string,
    node = newcomer(),
  ): Promise<RefusedMessage> =>
    bed.refusal(() => node.askToJoin(bed.north.endpoint, token), { countedAs });

  it('is not admitted with a token that somebody else has signed', async () => {
    const claims = readInviteToken(await bed.operator.invite('north'), { nowMs: Date.now() });
    const forge = await CertificateBed.create('corp');
    const stranger = await createInviteToken(claims, await forge.intermediate('north'));
    const { code, message } = await refusedJoin(stranger, 'bad-token');
    assert.equal(code, 'bad-token');
    assert.match(message, /was not signed by an authority of its subset/);
  });

  it('is not admitted with a token that the authority of another subset has signed', async () => {
    const claims = readInviteToken(await bed.operator.invite('north'), { nowMs: Date.now() });
    const south = await stealAuthority(bed.vpn, { subset: 'south', master: 'south-1' });
    // It says so itself; and one that says otherwise is not signed by an authority of north.
    const honest = await createInviteToken(claims, south);
    assert.match(
      (await refusedJoin(honest, 'wrong-master')).message,
      /south is governed by south-1/,
    );
    const [header, , signature] = honest.slice('hanse_'.length).split('.');
    const [, payload] = (await bed.operator.invite('north')).slice('hanse_'.length).split('.');
    const spliced = `hanse_${header}.${payload}.${signature}`;
    assert.match((await refusedJoin(spliced, 'bad-token')).message, /no authority of the subset/);
  });

  it('is not admitted with a token that has expired, was used, was revoked or is cut off', async () => {
    const short = await bed.vpn.invite('north', ['--expires', '1s']);
    const { expiresAtMs } = readInviteToken(short, { nowMs: 0 });
    // The token tells the end in whole seconds, and the roll, which decides, to the millisecond.
    await until('the token has expired', () => Date.now() > expiresAtMs + 1_000);
    assert.match(
      (await refusedJoin(short, 'token-expired')).message,
      /the invite (?:token expired|ended) at/,
    );

    const used = await bed.operator.invite('north');
    await using first = (await newcomer().join(bed.north.endpoint, used)).session;
    assert.equal(first.closed, undefined);
    assert.match((await refusedJoin(used, 'token-used')).message, /has been used 1 of 1 times/);

    const revoked = await bed.operator.invite('north');
    const { inviteId } = readInviteToken(revoked, { nowMs: Date.now() });
    await bed.vpn.hanse(['invite', 'revoke', '--subset', 'north', inviteId]);
    assert.match((await refusedJoin(revoked, 'token-used')).message, /was revoked/);

    const whole = await bed.operator.invite('north');
    for (const length of [10, Math.floor(whole.length / 2), whole.length - 1]) {
      const cut = whole.slice(0, length);
      assert.match((await refusedJoin(cut, 'bad-token')).message, /cut off|not valid|not JSON/);
      const { exitCode, output } = await hanseOutcome(bed.lab.node('s1'), [
        ...['member', 'join', cut, '--dir', `${bed.lab.directory}/cut`],
      ]);
      assert.ok(exitCode === 1 || exitCode === 2 || exitCode === 3, output);
      assert.match(output, /the invite token/);
    }
    await using last = (await newcomer().join(bed.north.endpoint, whole)).session;
    assert.equal(last.closed, undefined, 'the whole token is still good');
  });

  it('does not get the name or the WireGuard key of a member', async () => {
    const impostor = new SessionNode('n1');
    const named = await refusedJoin(await bed.operator.invite('north'), 'name-taken', impostor);
    assert.match(named.message, /there is a member n1 in north/);

    const device = await vpnInterface(bed.member.node);
    const { stdout } = await bed.member.node.run('wg', ['show', device, 'public-key']);
    const token = await bed.operator.invite('north');
    const thief = newcomer();
    const join = async () => {
      const session = await thief.connect(bed.north.endpoint);
      const acting = stdout.trim() as WireguardPublicKey;
      session.send({ type: 'join', token, name: parseMemberName(thief.name), keys: { acting } });
      return session;
    };
    const { message } = await bed.refusal(join, { countedAs: 'key-taken' });
    assert.match(message, /another member has this WireGuard key/);
  });

  it('is admitted alone, however many race for one place', async () => {
    for (let race = 0; race < races; race += 1) {
      const token = await bed.operator.invite('north');
      const nodes = Array.from({ length: racers }, newcomer);
      const before = await readRefusals(bed.master, 'token-used');
      const answers = await Promise.all(
        nodes.map(async (node) => {
          await using session = await node.askToJoin(bed.north.endpoint, token);
          return await until('an answer', () => session.messages[0]);
        }),
      );
      const admitted = answers.filter(({ type }) => type === 'admitted');
      const refused = answers.flatMap((answer) => (answer.type === 'refused' ? [answer.code] : []));
      assert.equal(admitted.length, 1, JSON.stringify(answers.map(({ type }) => type)));
      assert.deepEqual(refused, Array(racers - 1).fill('token-used'));
      assert.equal(await readRefusals(bed.master, 'token-used'), before + racers - 1);
    }
  });

  it('ends its own session only, whatever it says', async () => {
    const cases: readonly (readonly [what: string, sent: string | Buffer, code: number])[] = [
      ['an unknown message', '{"type":"promote","to":"operator"}', 1008],
      ['a message without its fields', '{"type":"join"}', 1008],
      ['a number', '42', 1008],
      ['nothing', '', 1008],
      ['broken JSON', '{"type":"hello",', 1008],
      ['bytes', Buffer.from([0, 1, 2, 3]), 1008],
      ['a name that is a path', '{"type":"join","token":"x","name":"../../root","keys":{}}', 1008],
      ['JSON as deep as it goes', '['.repeat(8_000), 1008],
      [
        'a message that is too long',
        JSON.stringify({ type: 'join', token: 'x'.repeat(maxMemberMessageBytes) }),
        1009,
      ],
    ];
    for (const [what, sent, code] of cases) {
      await using session = await newcomer().connect(bed.north.endpoint);
      session.socket.send(sent);
      assert.equal((await session.close()).code, code, what);
    }
    assert.ok((await readRefusals(bed.master, 'bad-message')) >= cases.length - 1);
  });

  it('cannot flood a master', async () => {
    await using session = await newcomer().connect(bed.north.endpoint);
    for (let sent = 0; sent < 1_000 && !session.closed; sent += 1) {
      session.socket.send('{"type":"acknowledge","revision":1}');
    }
    assert.equal((await session.close()).code, 1008);
    // The first message is not expected, and ends the session before the flood is noticed.
    const refused = await readFigure(bed.master, 'hanse_refused_total');
    assert.ok(refused > 0);
  });

  it('a member that floods is cut off, and may come back', async () => {
    const node = newcomer();
    const token = await bed.operator.invite('north');
    const { session, admitted } = await node.join(bed.north.endpoint, token);
    await using _closing = session;
    const before = await readRefusals(bed.master, 'too-many');
    for (let sent = 0; sent < 1_000; sent += 1) {
      session.acknowledge(admitted.view);
    }
    assert.equal((await session.close()).code, 1008);
    assert.ok((await readRefusals(bed.master, 'too-many')) > before);
    await using again = await node.resume(bed.north.endpoint, admitted.view);
    again.send({ type: 'renew' });
    await again.expect('renewed');
  });

  it('a member that claims to have applied what is not yet there changes nothing', async () => {
    const node = newcomer();
    const { session, admitted } = await node.join(
      bed.north.endpoint,
      await bed.operator.invite('north'),
    );
    await using _closing = session;
    session.acknowledge({ ...admitted.view, revision: admitted.view.revision + 1_000_000 });
    session.sayHello({ ...admitted.view, revision: Number.MAX_SAFE_INTEGER });
    assert.equal((await session.expect('view')).view.revision, admitted.view.revision);
  });

  it('gets nothing from a master that is not its subset’s', async () => {
    const token = await bed.operator.invite('north');
    const join = () => newcomer().askToJoin(bed.south.endpoint, token);
    const south = bed.vpn.master('south-1');
    const { message } = await bed.refusal(join, { master: south, countedAs: 'wrong-master' });
    assert.match(message, /north is governed by north-1: ask there/);
  });

  it('leaves everybody else in peace, whatever it was', async () => {
    await bed.assertUndisturbed();
    await assertServes(bed.north.endpoint);
  });

  async function assertServes(endpoint: Endpoint): Promise<void> {
    const token = await bed.operator.invite('north');
    await using session: ClientSession = (await newcomer().join(endpoint, token)).session;
    assert.equal(session.closed, undefined);
  }
});
