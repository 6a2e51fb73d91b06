import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { until } from '../../test/support/until.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLog } from '../runtime/log.ts';
import { SourceLimit } from './source-limit.ts';
import { StunClient } from './stun-client.ts';
import { type StunOutcome, StunServer } from './stun-server.ts';

const never = new AbortController().signal;
const timeoutMs = 5_000;

async function listen(host: string, outcomes: StunOutcome[] = []): Promise<StunServer> {
  const dependencies = {
    clock: systemClock,
    log: silentLog(),
    onPacket: (outcome: StunOutcome) => void outcomes.push(outcome),
  };
  return StunServer.listen({ host, port: 0, software: 'hanse' }, dependencies);
}

for (const address of ['127.0.0.1', '::1']) {
  test(`a server on all addresses answers ${address} with where the client is`, async () => {
    await using server = await listen('0.0.0.0');
    using client = await StunClient.open({ address, port: server.port }, { clock: systemClock });
    const binding = await client.ask({ timeoutMs }, never);
    assert.equal(binding?.seenAs.address, address);
    assert.ok(binding.roundTripMs >= 0 && binding.roundTripMs < timeoutMs);
  });
}

test('a request with another hop limit is answered as well, and the client can be asked again', async () => {
  await using server = await listen('127.0.0.1');
  const at = { address: '127.0.0.1', port: server.port };
  using client = await StunClient.open(at, { clock: systemClock });
  assert.ok(await client.ask({ timeoutMs, hopLimit: 1 }, never));
  assert.ok(await client.ask({ timeoutMs, hopLimit: 64 }, never));
});

test('nobody at the other end is a lost sample and no failure', async () => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const at = { address: '127.0.0.1', port: silent.address().port };
  using client = await StunClient.open(at, { clock: systemClock });
  assert.equal(await client.ask({ timeoutMs: 20 }, never), undefined);
  silent.close();
});

test('an answer with another transaction, or from somebody else, is none', async () => {
  const [liar, stranger] = [createSocket('udp4'), createSocket('udp4')];
  liar.bind(0, '127.0.0.1');
  stranger.bind(0, '127.0.0.1');
  await Promise.all([once(liar, 'listening'), once(stranger, 'listening')]);
  liar.on('message', (request, { port }) => {
    const answer = Buffer.from(request);
    answer.writeUInt16BE(0x0101, 0);
    stranger.send(answer, port, '127.0.0.1');
    answer.fill(0, 8, 20);
    liar.send(answer, port, '127.0.0.1');
  });
  const at = { address: '127.0.0.1', port: liar.address().port };
  using client = await StunClient.open(at, { clock: systemClock });
  assert.equal(await client.ask({ timeoutMs: 50 }, never), undefined);
  liar.close();
  stranger.close();
});

test('what is no request is counted and not answered', async () => {
  const outcomes: StunOutcome[] = [];
  await using server = await listen('127.0.0.1', outcomes);
  const socket = createSocket('udp4');
  socket.on('message', () => outcomes.push('answered'));
  socket.send('hello', server.port, '127.0.0.1');
  await until('the packet has come', () => outcomes.length > 0);
  assert.deepEqual(outcomes, ['ignored']);
  socket.close();
});

test('a source that asks without end is answered so often and no more', () => {
  const limit = new SourceLimit(0);
  const admitted = Array.from({ length: 3_000 }, () => limit.admits('192.0.2.1', 0));
  assert.equal(admitted.filter(Boolean).length, 1_000);
  assert.equal(limit.admits('192.0.2.1', 1_000), true);
});

test('addresses of one IPv6 network are one source', () => {
  const limit = new SourceLimit(0);
  const admitted = Array.from({ length: 3_000 }, (_, host) =>
    limit.admits(`2001:db8::${host.toString(16)}`, 0),
  );
  assert.equal(admitted.filter(Boolean).length, 1_000);
});

test('all sources together get ten thousand answers at once, however many they are', () => {
  const limit = new SourceLimit(0);
  const admitted = Array.from({ length: 60_000 }, (_, number) =>
    limit.admits(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, 0),
  );
  assert.equal(admitted.filter(Boolean).length, 10_000);
});

test('a client that is told to stop says why', async () => {
  const clock = new ManualClock();
  using client = await StunClient.open({ address: '127.0.0.1', port: 9 }, { clock });
  const stop = new AbortController();
  const asked = client.ask({ timeoutMs }, stop.signal);
  stop.abort(new Error('enough'));
  // A port at which nobody listens may say so first, which is a lost sample.
  assert.equal(await asked.catch((error: Error) => error.message), 'enough');
});
