import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import type { ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import type { MeasuredView } from '../../api/measured-view.ts';
import type { MasterMeasurement } from '../../api/measuring-messages.ts';
import { getMember } from '../../api/member-endpoints.ts';
import {
  getPlacementPolicy,
  removePlacementPolicy,
  setPlacementPolicy,
} from '../../api/placement-endpoints.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { masterRecordSchema } from '../../model/records/directory.ts';
import { masterKey } from '../../store/keys.ts';
import { PlaceLookup } from '../place/place-lookup.ts';

const databases = fileURLToPath(new URL('../../../test/testdata/mmdb/', import.meta.url));
/** What they say of loopback. */
const whereabouts = {
  place: { country: 'IS', position: { latitude: 64.15, longitude: -21.94 } },
  system: 64_500,
};
const hamburg = parseSubsetName('hamburg');
const { log, lines } = capturedLog();
let bed: MasterBed;
let elbe: RunningMaster;
let operator: OperatorClient;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], bremen: ['weser'] } });
  const [places, systems] = ['places', 'systems'].map((name) => `${databases}${name}.mmdb`);
  elbe = await RunningMaster.start(bed, 'elbe', {
    log,
    places: await PlaceLookup.open({ places, systems }),
  });
  operator = await bed.operator();
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/** A session of a new member that measures, after it was told its view. @param farMs how late it answers pings */
async function measuring(name: string, farMs = 0): Promise<ClientSession> {
  return resumed(await joinedNode(name, { bed, master: elbe }), farMs);
}

async function resumed(node: SessionNode, farMs: number): Promise<ClientSession> {
  const client = await node.connect(elbe.endpoint);
  const pong = client.socket.pong.bind(client.socket);
  // The library answers by itself, without any delay.
  client.socket.pong = (data: unknown) => void setTimeout(() => pong(data), farMs);
  const hello = { type: 'hello', appliedRevision: 0, appliedEpoch: 0, measures: true } as const;
  client.send(hello);
  await client.expect('view');
  return client;
}

const measurement = (fields: Partial<MasterMeasurement> = {}): MasterMeasurement => ({
  ...{ name: parseMasterName('elbe'), stun: 'answers', ageMs: 10, sent: 8, lost: 0 },
  ...{ latencyMs: 1, jitterMs: 0.1, hops: 4, seenAs: '192.0.2.1:40000', ...fields },
});

async function measuredOf(name: string): Promise<MeasuredView | undefined> {
  const params = { subset: hamburg, name: parseMemberName(name) };
  return (await operator.call(getMember, { params })).measured;
}

/** Reports and waits until the report has been compared. */
async function report(client: ClientSession, name: string, latencyMs: number): Promise<void> {
  const session = elbe.master.hub.find(hamburg, parseMemberName(name));
  client.send({ type: 'measurements', masters: [measurement({ latencyMs })] });
  const last = session?.measured.roundTripsMs.at(-1) ?? Number.NaN;
  await until('four more round trips were seen', () => {
    const { roundTripsMs = [] } = session?.measured ?? {};
    return roundTripsMs.length >= 4 && roundTripsMs.lastIndexOf(last) <= roundTripsMs.length - 5;
  });
  await until('the report is compared', () => {
    elbe.clock.jump(2_000);
    return !session?.measured.isChecking;
  });
}

test('a member that measures is told every master of the VPN, whoever it serves', async () => {
  await using client = await measuring('anna');
  const { masters } = await client.expect('candidates');
  const names = masters.map(({ name, control, stunPort }) => [name, control, stunPort]);
  const weser = elbe.master.directory.masters.get(parseMasterName('weser'))?.record.control;
  assert.deepEqual(names, [
    ['elbe', elbe.endpoint, undefined],
    ['weser', weser, undefined],
  ]);
});

test('a member that does not say that it measures is told nothing and may report nothing', async () => {
  const node = await joinedNode('berta', { bed, master: elbe });
  await using client = await node.resume(elbe.endpoint);
  await client.expect('view');
  client.send({ type: 'measurements', masters: [measurement()] });
  assert.equal((await client.expect('refused')).code, 'bad-message');
});

test('what a member reports is shown as it is, with its age and what the master sees', async () => {
  await using client = await measuring('clara');
  await client.expect('candidates');
  const nothingYet = { verdict: 'unknown', isAlert: false, ...whereabouts };
  assert.deepEqual(await measuredOf('clara'), nothingYet);
  const masters = [measurement(), measurement({ name: parseMasterName('weser'), stun: 'silent' })];
  client.send({ type: 'measurements', masters });
  const shown = await until('the report', async () => {
    elbe.clock.jump(2_000);
    const measured = await measuredOf('clara');
    return measured?.verdict === 'agrees' ? measured : undefined;
  });
  assert.deepEqual(shown.report?.masters, masters);
  assert.ok((shown.report?.ageMs ?? -1) >= 0);
  assert.ok((shown.session?.leastMs ?? -1) >= 0);
  assert.ok(!shown.isAlert);
});

test('a master that has come since is told with the next report', async () => {
  await using client = await measuring('dora');
  await client.expect('candidates');
  const key = masterKey(parseMasterName('weser'));
  const entry = await bed.store.get(key);
  assert.ok(entry);
  const record = decodeRecord(masterRecordSchema, key, entry.value);
  const then = [{ put: key, value: encodeRecord({ ...record, stunPort: 3_478 }) }];
  await bed.store.transact({ if: [], then });
  await until('the directory has it', () => {
    const { record: weser } = elbe.master.directory.masters.get(parseMasterName('weser')) ?? {};
    return weser?.stunPort === 3_478;
  });
  client.send({ type: 'measurements', masters: [measurement()] });
  const { masters } = await client.expect('candidates');
  assert.equal(masters.find(({ name }) => name === 'weser')?.stunPort, 3_478);
});

test('the policy’s measuring is told at once to who measures, and taken back when it goes', async () => {
  await using client = await measuring('hanna');
  const usual = { intervalSeconds: 900, bytesPerDay: 2_000_000 };
  assert.deepEqual((await client.expect('candidates')).measuring, usual);
  const set = async (text: string | undefined) => {
    const { revision: ifRevision } = await operator.call(getPlacementPolicy, {});
    if (text === undefined) await operator.call(removePlacementPolicy, { query: { ifRevision } });
    else await operator.call(setPlacementPolicy, { query: { ifRevision }, body: { text } });
  };
  await set('measuring: { intervalSeconds: 60, bytesPerDay: 5000000 }\n');
  const wanted = { intervalSeconds: 60, bytesPerDay: 5_000_000 };
  assert.deepEqual((await client.expect('candidates')).measuring, wanted);
  await set('measuring: { intervalSeconds: 60, bytesPerDay: 5000000 }\nmovesPerMinute: 9\n');
  await set(undefined);
  assert.deepEqual((await client.expect('candidates')).measuring, usual);
});

test('a member that claims to be nearer than its answers come is an alert at its second report, once', async () => {
  await using client = await measuring('emma', 120);
  await client.expect('candidates');
  await report(client, 'emma', 5);
  assert.deepEqual(await measuredOf('emma').then(judgement), ['too-near', false]);
  await report(client, 'emma', 5);
  assert.deepEqual(await measuredOf('emma').then(judgement), ['too-near', true]);
  await report(client, 'emma', 5);
  const warnings = lines.filter(({ member, verdict }) => member === 'emma' && verdict);
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0]?.['level'], 40);
  assert.equal(await metric('hanse_measurement_alerts_total'), 1);
  await report(client, 'emma', 121);
  assert.deepEqual(await measuredOf('emma').then(judgement), ['agrees', false]);
});

test('a new session does not make a member believed that was not', async () => {
  const node = await joinedNode('greta', { bed, master: elbe });
  const first = await resumed(node, 120);
  await first.expect('candidates');
  await report(first, 'greta', 5);
  await first[Symbol.asyncDispose]();
  await using again = await resumed(node, 120);
  await again.expect('candidates');
  await report(again, 'greta', 5);
  assert.deepEqual(await measuredOf('greta').then(judgement), ['too-near', true]);
});

test('a pong that answers no ping of the master makes nobody near', async () => {
  await using client = await measuring('frida', 120);
  await client.expect('candidates');
  const session = elbe.master.hub.find(hamburg, parseMemberName('frida'));
  const forged = Buffer.alloc(8, 1);
  for (let count = 0; count < 50; count += 1) {
    // Its own `pong` is late; this one goes around it.
    Object.getPrototypeOf(client.socket).pong.call(client.socket, forged);
  }
  await report(client, 'frida', 5);
  const least = Math.min(...(session?.measured.roundTripsMs ?? [0]));
  assert.ok(least >= 119, String(least));
});

function judgement(measured: MeasuredView | undefined) {
  return measured && [measured.verdict, measured.isAlert];
}

async function metric(name: string): Promise<number | undefined> {
  const values = await elbe.metrics.registry.getSingleMetric(name)?.get();
  return values?.values[0]?.value;
}
