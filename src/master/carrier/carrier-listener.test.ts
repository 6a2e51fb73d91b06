import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { carrierPath, carrierProtocol, maxCarriedBytes } from '../../api/carrier.ts';
import { removeMember } from '../../api/member-endpoints.ts';
import { hostOf } from '../../model/endpoint.ts';

const lone = await startLoneMaster();
const { bed, master: elbe } = lone;
/** Stands where the master's WireGuard listens. */
const wireguard = createSocket('udp4').bind(elbe.master.gateway.membersPort, '127.0.0.1');
await once(wireguard, 'listening');
after(() => {
  wireguard.close();
});

const joined = (name: string) => joinedNode(name, lone);

function connect(node: SessionNode, protocol = carrierProtocol): WebSocket {
  const webSocket = new WebSocket(`wss://${elbe.endpoint}${carrierPath}`, protocol, {
    cert: node.chain.join('\n'),
    key: node.keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    localAddress: hostOf(elbe.endpoint),
    rejectUnauthorized: false,
  });
  return webSocket.on('error', () => undefined);
}

async function closeOf(webSocket: WebSocket): Promise<readonly [code: number, reason: string]> {
  const [code, reason] = (await once(webSocket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

/** Sends until the packet has come out, as WireGuard would. @returns where WireGuard saw it come from */
async function sendThrough(webSocket: WebSocket, text: string): Promise<RemoteInfo> {
  if (webSocket.readyState !== webSocket.OPEN) await once(webSocket, 'open');
  const arrived = new Promise<RemoteInfo>((resolve) => {
    const listen = (packet: Buffer, from: RemoteInfo) => {
      if (packet.toString() !== text) return;
      wireguard.off('message', listen);
      resolve(from);
    };
    wireguard.on('message', listen);
  });
  const repeat = setInterval(() => webSocket.send(Buffer.from(text)), 20);
  try {
    webSocket.send(Buffer.from(text));
    return await arrived;
  } finally {
    clearInterval(repeat);
  }
}

test('a member’s packets reach WireGuard, and its packets the member', async () => {
  const webSocket = connect(await joined('anna'));
  const from = await sendThrough(webSocket, 'handshake initiation');
  const answer = once(webSocket, 'message');
  wireguard.send('handshake response', from.port, from.address);
  const [data, isBinary] = (await answer) as [Buffer, boolean];
  assert.equal(data.toString(), 'handshake response');
  assert.equal(isBinary, true);
  webSocket.terminate();
  await until('the carrier is gone', () => elbe.master.carriers.size === 0);
});

test('two members come from two addresses, and each gets its own packets', async () => {
  const [one, other] = [connect(await joined('berta')), connect(await joined('carl'))];
  const fromOne = await sendThrough(one, 'from berta');
  const fromOther = await sendThrough(other, 'from carl');
  assert.notEqual(fromOne.address, fromOther.address);
  const answer = once(other, 'message');
  one.once('message', () => assert.fail('it was not for berta'));
  wireguard.send('for carl', fromOther.port, fromOther.address);
  assert.equal(String((await answer)[0]), 'for carl');
  one.terminate();
  other.terminate();
});

test('a newer carrier of the same member takes the place of the older', async () => {
  const node = await joined('dora');
  const older = connect(node);
  await sendThrough(older, 'older');
  const closed = closeOf(older);
  const newer = connect(node);
  await sendThrough(newer, 'newer');
  assert.deepEqual(await closed, [1000, 'replaced by a newer one']);
  newer.terminate();
});

test('nobody but a member gets one', async () => {
  const stranger = connect(new SessionNode('emil'));
  assert.deepEqual(await closeOf(stranger), [1008, 'not-a-member']);
});

test('whoever is put out loses it at once, and gets none again', async () => {
  const node = await joined('fritz');
  const webSocket = connect(node);
  await sendThrough(webSocket, 'still in');
  const closed = closeOf(webSocket);
  const input = {
    params: { subset: 'hamburg', name: 'fritz' },
    body: { kind: 'evict' },
  } as const;
  for await (const _ of (await bed.operator()).stream(removeMember, input)) break;
  assert.deepEqual(await closed, [1000, 'out of the roll']);
  assert.deepEqual(await closeOf(connect(node)), [1008, 'not-a-member']);
});

test('text, what is too long and another protocol end the carrier or nothing, never the master', async () => {
  const node = await joined('gustav');
  const webSocket = connect(node);
  await sendThrough(webSocket, 'before');
  webSocket.send('not a packet');
  await sendThrough(webSocket, 'text is passed over');
  const closed = closeOf(webSocket);
  webSocket.send(Buffer.alloc(maxCarriedBytes + 1));
  assert.equal((await closed)[0], 1009);
  const other = connect(node, 'hanse.wireguard.v0');
  await once(other, 'error');
  await sendThrough(connect(node), 'after');
});
