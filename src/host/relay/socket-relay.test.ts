import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { before, test } from 'node:test';
import { until } from '../../../test/support/until.ts';
import { parseAddress } from '../../model/prefix.ts';
import { silentLog } from '../../runtime/log.ts';
import { SocketRelay } from './socket-relay.ts';

/* The ends are on loopback, told apart by their addresses. */

const datagram = (text: string): Buffer => Buffer.from(`\u0004\0\0\0${text.padEnd(60, '.')}`);
let ports: readonly [number, number];
before(async () => {
  await using one = await bound('0.0.0.0');
  await using other = await bound('0.0.0.0');
  ports = [one.address().port, other.address().port];
});

async function bound(address: string, port = 0): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(port, address);
  await once(socket, 'listening');
  return socket;
}

const pairOf = (first: string, second: string, id = 'pair') => ({
  id,
  first: { address: parseAddress(first), port: ports[0] },
  second: { address: parseAddress(second), port: ports[1] },
});

test('datagrams go on in both directions, also from one family to the other', async () => {
  for (const [one, other] of [
    ['127.0.0.1', '127.0.0.2'],
    ['127.0.0.1', '::1'],
  ] as const) {
    await using relay = new SocketRelay({ log: silentLog() });
    assert.ok(await relay.open(pairOf(one, other)));
    await using left = await bound(one);
    await using right = await bound(other);
    const heard: string[] = [];
    left.on('message', (bytes, { port }) =>
      heard.push(`left ${port} ${bytes.toString('utf8', 4, 8)}`),
    );
    right.on('message', (bytes, { port }) =>
      heard.push(`right ${port} ${bytes.toString('utf8', 4, 8)}`),
    );
    left.send(datagram('lost'), ports[0], one);
    right.send(datagram('back'), ports[1], other);
    await until('the first is passed on', () => heard.length === 1);
    left.send(datagram('goes'), ports[0], one);
    await until('the second is passed on', () => heard.length === 2);
    assert.deepEqual(heard, [`left ${ports[0]} back`, `right ${ports[1]} goes`]);
    assert.deepEqual([...(await relay.readTraffic())], [['pair', { packets: 2, bytes: 128 }]]);
  }
});

test('a port that another program has is told, and nothing stays bound', async () => {
  await using relay = new SocketRelay({ log: silentLog() });
  const taken = await bound('0.0.0.0', ports[1]);
  const pair = pairOf('127.0.0.1', '127.0.0.2');
  await assert.rejects(relay.open(pair), { code: 'port-in-use', fields: { port: ports[1] } });
  await taken[Symbol.asyncDispose]();
  assert.ok(await relay.open(pair));
  await relay.close(pair.id);
  await relay.close(pair.id);
  assert.equal((await relay.readTraffic()).size, 0);
});
