import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { test } from 'node:test';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { invite } from '../../../test/support/invite.ts';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { maxMemberMessageBytes, sessionPath, sessionProtocol } from '../../api/messages.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';

const hamburg = parseSubsetName('hamburg');

const lone = await startLoneMaster();
const { bed, master: elbe } = lone;

const joined = (name: string) => joinedNode(name, lone);

async function live(name: string): Promise<ClientSession> {
  const session = await (await joined(name)).resume(elbe.endpoint);
  await session.expect('view');
  return session;
}

/** A master that serves on as if nothing had been. */
async function assertServes(name: string): Promise<void> {
  await (await live(name))[Symbol.asyncDispose]();
}

const sessionOf = (name: string) => elbe.master.hub.find(hamburg, parseMemberName(name));

test('what is no message of the protocol ends the session with a reason', async () => {
  const node = await joined('anna');
  const bad: readonly (string | Buffer)[] = [
    '',
    'hello',
    'null',
    '[]',
    '{"type":"admitted"}',
    '{"type":"nonsense"}',
    '{"type":"hello"}',
    '{"type":"hello","appliedRevision":-1,"appliedEpoch":0}',
    '{"type":"hello","appliedRevision":"0","appliedEpoch":0}',
    '{"type":"hello","appliedRevision":0}',
    '{"type":"hello","appliedRevision":1e400,"appliedEpoch":0}',
    '{"__proto__":{"type":"renew"}}',
    Buffer.from('{"type":"hello","appliedRevision":0,"appliedEpoch":0}'),
    Buffer.of(0, 255, 254),
  ];
  for (const text of bad) {
    await using session = await node.connect(elbe.endpoint);
    session.socket.send(text);
    assert.equal((await session.expect('refused')).code, 'bad-message', String(text));
    assert.deepEqual(await session.close(), { code: 1_008, reason: 'bad-message' });
  }
  await assertServes('anna-2');
});

test('whatever is sent, the master serves on', async () => {
  const node = await joined('berta');
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 500 }),
    fc.json(),
    fc
      .record({
        type: fc.constantFrom('join', 'hello', 'acknowledge', 'renew', 'leave!', 'view'),
        token: fc.string(),
        name: fc.string(),
        keys: fc.object(),
        appliedRevision: fc.anything(),
        revision: fc.anything(),
      })
      .map((value) => JSON.stringify(value) ?? ''),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 5 }), async (texts) => {
      await using session = await node.connect(elbe.endpoint);
      for (const text of texts) session.socket.send(text);
      session.socket.close();
      await session.close();
    }),
    { numRuns: 40 },
  );
  await assertServes('berta-2');
});

test('a message that is too large ends the session before it has been read', async () => {
  for (const name of ['carla', 'carla-2']) {
    await using session = await live(name);
    session.socket.send('x'.repeat(maxMemberMessageBytes + 1));
    assert.equal((await session.close()).code, 1_009);
    await until('no session', () => !sessionOf(name));
  }
  await assertServes('carla-3');
});

test('a frame that breaks the WebSocket protocol ends the session', async () => {
  await using session = await live('dora');
  // A reserved opcode (RFC 6455 §5.2), written past the library.
  (session.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
    Buffer.of(0x8b, 0x80, 0, 0, 0, 0),
  );
  assert.equal((await session.close()).code, 1_002);
  await until('no session', () => !sessionOf('dora'));
  await assertServes('dora-2');
});

test('a flood ends the session once, however much of it is under way', async () => {
  const before = await elbe.refused('too-many');
  await using session = await live('emil');
  for (let sent = 0; sent < 5_000; sent += 1)
    session.acknowledge({ revision: 0, key: { epoch: 1 } });
  assert.equal((await session.expect('refused')).code, 'too-many');
  assert.deepEqual(await session.close(), { code: 1_008, reason: 'too-many' });
  assert.equal(await elbe.refused('too-many'), before + 1);
  await assertServes('emil-2');
});

test('messages out of turn end the session', async () => {
  const node = await joined('frida');
  const { token } = await invite(bed, 'hamburg');
  const name = parseMemberName('frida');
  const join = { type: 'join', token, name, keys: { acting: node.wireguardKey } } as const;
  for (const message of [
    { type: 'acknowledge', revision: 1, epoch: 1 } as const,
    { type: 'leave' } as const,
  ]) {
    await using session = await node.connect(elbe.endpoint);
    session.send(message);
    assert.equal((await session.expect('refused')).code, 'bad-message', message.type);
  }
  await using session = await node.resume(elbe.endpoint);
  await session.expect('view');
  session.send(join);
  assert.equal((await session.expect('refused')).code, 'bad-message');
});

test('a member that does not read is cut, and nobody else', async () => {
  await using slow = await live('gerda');
  await using quick = await live('hans');
  slow.socket.pause();
  const session = sessionOf('gerda');
  const large = JSON.stringify({ type: 'refused', code: 'too-many', message: 'x'.repeat(200_000) });
  await until('the cut', () => {
    session?.sendText(large);
    return session?.cutReason;
  });
  assert.equal(session?.cutReason, 'too slow');
  await until('no session', () => !sessionOf('gerda'));
  assert.equal(quick.closed, undefined);
  assert.ok(sessionOf('hans'));
});

test('a member that is silent through a whole round of heartbeats is cut', async () => {
  await using mute = await live('ida');
  await using awake = await live('jan');
  // The library answers pings by itself; this one's answers never arrive.
  (mute.socket as unknown as { pong(): void }).pong = () => undefined;
  await until('the cut', () => {
    // Not before the other one's answer is here, which may take its time on a busy machine.
    if (sessionOf('jan')?.isAlive) elbe.clock.jump(200);
    return !sessionOf('ida');
  });
  await mute.close();
  assert.equal(awake.closed, undefined);
  assert.ok(sessionOf('jan'));
});

test('a connection that does not say who it is is closed', async () => {
  await using session = await new SessionNode('karl').connect(elbe.endpoint);
  await using other = await live('lena');
  elbe.clock.jump(10_000);
  assert.equal((await session.expect('refused')).code, 'bad-message');
  assert.deepEqual(await session.close(), { code: 1_008, reason: 'bad-message' });
  assert.equal(other.closed, undefined);
});

test('an upgrade to something else is refused in words', async () => {
  const answerTo = (path: string, protocol: string): Promise<[number | undefined, string]> => {
    const { promise, resolve, reject } = Promise.withResolvers<[number | undefined, string]>();
    request({
      host: hostOf(elbe.endpoint),
      port: portOf(elbe.endpoint),
      path,
      rejectUnauthorized: false,
      headers: {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        'sec-websocket-protocol': protocol,
      },
    })
      .on('response', (response) => {
        response.setEncoding('utf8');
        response.once('data', (text: string) => resolve([response.statusCode, text]));
      })
      .on('error', reject)
      .end();
    return promise;
  };
  assert.deepEqual(await answerTo('/v1/elsewhere', sessionProtocol), [
    404,
    `sessions are at ${sessionPath}\n`,
  ]);
  const [status, text] = await answerTo(sessionPath, 'hanse.v999');
  assert.equal(status, 400);
  assert.match(text, /speaks hanse\.v1; you offered hanse\.v999/);
});

test('a client without any certificate is told to bring one', async () => {
  const socket = new WebSocket(`wss://${elbe.endpoint}${sessionPath}`, sessionProtocol, {
    rejectUnauthorized: false,
  });
  const [data] = await once(socket, 'message');
  socket.terminate();
  assert.match(String(data), /present a client certificate of this VPN/);
  assert.equal(await elbe.refused('no-certificate'), 1);
});
