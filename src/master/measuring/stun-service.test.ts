import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { until } from '../../../test/support/until.ts';
import { endpointSchema, hostOf } from '../../model/endpoint.ts';
import { parseMasterName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { type MasterRecord, masterRecordSchema } from '../../model/records/directory.ts';
import { systemClock } from '../../runtime/clock.ts';
import { masterKey } from '../../store/keys.ts';
import { StunClient } from '../../stun/stun-client.ts';
import { serveStun } from './stun-service.ts';

const elbe = parseMasterName('elbe');
const { log, lines } = capturedLog();
let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

async function record(): Promise<MasterRecord> {
  const key = masterKey(elbe);
  const entry = await bed.store.get(key);
  assert.ok(entry);
  return decodeRecord(masterRecordSchema, key, entry.value);
}

async function serve(stunPort?: number | 'off') {
  const { control: listen } = await record();
  const signal = new AbortController().signal;
  const dependencies = { store: bed.store, clock: systemClock, log, onPacket: () => {}, signal };
  return serveStun({ master: elbe, listen, stunPort }, dependencies);
}

const announced = (port: number | undefined) =>
  until('the directory says so', async () => (await record()).stunPort === port);

test('a master answers at the usual port of its control host, and the directory says so', async () => {
  const before = await record();
  await using _service = await serve();
  await announced(3_478);
  assert.deepEqual(await record(), { ...before, stunPort: 3_478 });
  const server = { address: hostOf(before.control), port: 3_478 };
  using client = await StunClient.open(server, { clock: systemClock });
  assert.ok(await client.ask({ timeoutMs: 5_000 }, new AbortController().signal));
});

test('it answers at the port that is chosen, and nowhere when it is off', async () => {
  {
    await using _service = await serve(3_500);
    await announced(3_500);
  }
  await using _service = await serve('off');
  await announced(undefined);
});

async function occupy(port: number) {
  const socket = createSocket('udp4');
  socket.bind(port, hostOf((await record()).control));
  await once(socket, 'listening');
  return { [Symbol.asyncDispose]: async () => void socket.close() };
}

test('a master whose usual port is taken goes on without, and says how to help it', async () => {
  await using _occupied = await occupy(3_478);
  await using _service = await serve();
  await announced(undefined);
  const warning = lines.find(({ problem }) => String(problem).includes('3478'));
  assert.match(String(warning?.['msg']), /stunPort/);
});

test('a port that was chosen and is taken keeps a master from starting', async () => {
  await using _occupied = await occupy(3_501);
  await assert.rejects(serve(3_501), { code: 'port-taken', message: /3501.*EADDRINUSE/ });
});

test('a host that is not this machine’s is said to be none', async () => {
  const signal = new AbortController().signal;
  const dependencies = { store: bed.store, clock: systemClock, log, onPacket: () => {}, signal };
  const listen = endpointSchema.parse('192.0.2.1:8443');
  const started = serveStun({ master: elbe, listen, stunPort: 3_502 }, dependencies);
  await assert.rejects(started, { code: 'port-taken', message: /EADDRNOTAVAIL/ });
});
