import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { JumpingClock } from '../../../test/support/jumping-clock.ts';
import type { CandidateMaster } from '../../api/measuring-messages.ts';
import { exchangeBytes, probeBudget, samplesOfRound } from '../../core/measuring/probe-schedule.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { parseMasterName, parseVpnName } from '../../model/names.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { silentLog } from '../../runtime/log.ts';
import { type StunOutcome, StunServer } from '../../stun/stun-server.ts';
import { Measurer } from './measurer.ts';

/** Nothing listens there, which is known at once. */
const closedPort = 1;

interface Bed extends AsyncDisposable {
  readonly measurer: Measurer;
  readonly port: number;
  readonly outcomes: readonly StunOutcome[];
}

/** A measurer that runs, and one STUN server on loopback. */
async function measuring(clock: Clock = systemClock): Promise<Bed> {
  await using cleanup = new AsyncDisposableStack();
  const outcomes: StunOutcome[] = [];
  const onPacket = (outcome: StunOutcome) => void outcomes.push(outcome);
  const dependencies = { clock, log: silentLog() };
  const server = await StunServer.listen(
    { host: '127.0.0.1', port: 0, software: 'hanse' },
    { ...dependencies, onPacket },
  );
  cleanup.use(server);
  const measurer = new Measurer({
    ...{ ...dependencies, random: () => 0 },
    resolveHost: async (host) => {
      if (host === 'near.example') return '127.0.0.1';
      throw new Error(`there is no ${host}`);
    },
    // Of no use to anybody: no control port of these tests gets that far.
    trust: () => ({
      ...{ vpn: parseVpnName('corp'), rootCertificate: '' },
      credentials: { chain: [], privateKeyPem: '' },
    }),
  });
  const stop = new AbortController();
  const run = measurer.run(stop.signal).catch(() => undefined);
  cleanup.defer(async () => {
    stop.abort();
    await run;
  });
  const parts = cleanup.move();
  return {
    ...{ measurer, port: server.port, outcomes },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const candidate = (name: string, host: string, stunPort?: number): CandidateMaster => ({
  ...{ name: parseMasterName(name), control: endpointSchema.parse(`${host}:${closedPort}`) },
  ...(stunPort === undefined ? {} : { stunPort }),
});

async function silentPort(): Promise<{ readonly port: number; readonly socket: Socket }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, socket };
}

test('each master is shown as what it is: near, silent, without STUN, without an address', async () => {
  await using bed = await measuring();
  const silent = await silentPort();
  bed.measurer.setCandidates([
    candidate('near', 'near.example', bed.port),
    candidate('silent', '127.0.0.1', silent.port),
    candidate('old', '127.0.0.1'),
    candidate('lost', 'nowhere.example', 3_478),
  ]);
  await bed.measurer.measureNow();
  silent.socket.close();
  const report = new Map(bed.measurer.report().map((one) => [String(one.name), one]));
  const near = report.get('near');
  assert.equal(near?.stun, 'answers');
  assert.deepEqual([near.sent, near.lost, near.hops], [samplesOfRound, 0, 1]);
  assert.ok((near.latencyMs ?? -1) >= 0 && (near.jitterMs ?? -1) >= 0);
  assert.match(String(near.seenAs), /^127\.0\.0\.1:\d+$/);
  const { stun, sent, lost, latencyMs } = report.get('silent') ?? {};
  assert.deepEqual([stun, sent, lost, latencyMs], ['silent', 3, 3, undefined]);
  assert.equal(report.get('old')?.stun, 'none');
  assert.equal(report.get('lost')?.stun, 'silent');
  const problems = bed.measurer.status.masters.map(({ problem }) => problem);
  assert.equal(problems[3], 'there is no nowhere.example');
});

test('a master that answers STUN and nothing else is shown as such', async () => {
  await using bed = await measuring();
  bed.measurer.setCandidates([candidate('near', '127.0.0.1', bed.port)]);
  await bed.measurer.measureNow();
  const [near] = bed.measurer.report();
  assert.deepEqual([near?.stun, near?.control, near?.downMbit], ['answers', 'fails', undefined]);
  assert.match(String(bed.measurer.status.masters[0]?.problem), /ECONNREFUSED/);
});

test('a master that stops answering has no latency any more, and what it had is not reported', async () => {
  await using bed = await measuring();
  const names = [candidate('near', '127.0.0.1', bed.port)];
  bed.measurer.setCandidates(names);
  await bed.measurer.measureNow();
  assert.notEqual(bed.measurer.report()[0]?.latencyMs, undefined);
  const silent = await silentPort();
  bed.measurer.setCandidates([candidate('near', '127.0.0.1', silent.port)]);
  await bed.measurer.measureNow();
  silent.socket.close();
  assert.equal(bed.measurer.report()[0]?.latencyMs, undefined);
});

test('what is known of a master that stays where it is survives a new list', async () => {
  await using bed = await measuring();
  const near = candidate('near', '127.0.0.1', bed.port);
  bed.measurer.setCandidates([near]);
  await bed.measurer.measureNow();
  bed.measurer.setCandidates([candidate('old', '127.0.0.1'), near]);
  const report = bed.measurer.report();
  assert.deepEqual(
    report.map(({ name, sent }) => [name, sent]),
    [
      ['old', 0],
      ['near', samplesOfRound],
    ],
  );
});

test('the first round comes by itself, and the next one after a quarter of an hour', async () => {
  await using bed = await measuring();
  assert.equal(bed.measurer.status.nextRoundMs, undefined);
  assert.deepEqual(bed.measurer.report(), []);
  const { promise, resolve } = Promise.withResolvers<void>();
  bed.measurer.onRound(resolve);
  bed.measurer.setCandidates([candidate('near', '127.0.0.1', bed.port)]);
  const startMs = systemClock.monotonicMs();
  await promise;
  // The loop goes on in a later turn.
  await new Promise(setImmediate);
  const waitMs = (bed.measurer.status.nextRoundMs ?? 0) - startMs;
  assert.ok(Math.abs(waitMs - 15 * 60_000) < 1_000, String(waitMs));
});

test('other terms are followed at once, also between two rounds', async () => {
  const clock = new JumpingClock();
  await using bed = await measuring(clock);
  const { measurer } = bed;
  const nextRound = (): Promise<void> =>
    new Promise((resolve) => {
      const forget = measurer.onRound(() => {
        forget();
        // The loop goes on in a later turn.
        setImmediate(resolve);
      });
    });
  const first = nextRound();
  measurer.setCandidates([candidate('near', '127.0.0.1', bed.port)]);
  await first;
  const startMs = systemClock.monotonicMs();
  const waitS = () => ((measurer.status.nextRoundMs ?? 0) - startMs) / 1_000;
  measurer.setTerms({ intervalMs: 3_600_000, bytesPerDay: 2_000_000 });
  assert.ok(Math.abs(waitS() - 3_600) <= 1, String(waitS()));
  measurer.setTerms({ intervalMs: 1, bytesPerDay: 20_000_000 });
  assert.ok(waitS() > 9 && waitS() < 15, `every 10 s at most: ${waitS()}`);
  const second = nextRound();
  // The loop sleeps anew in a later turn.
  await new Promise(setImmediate);
  clock.jump(15_000);
  await second;
  measurer.setTerms();
  assert.ok(waitS() > 850, String(waitS()));
});

test('a master that asks for more than a member spends gets what it spends', async () => {
  await using bed = await measuring();
  bed.measurer.setTerms({ intervalMs: 10_000, bytesPerDay: Number.MAX_SAFE_INTEGER });
  bed.measurer.setCandidates([candidate('near', '127.0.0.1', bed.port)]);
  await bed.measurer.measureNow();
  const { burstBytes, perDayBytes } = probeBudget({ intervalMs: 0, bytesPerDay: 20_000_000 });
  assert.ok(bed.measurer.status.leftBytes <= burstBytes);
  assert.ok(Math.abs(burstBytes + perDayBytes - 20_000_000) < 1);
});

test('where a round cannot be paid for all masters, they take turns', async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  await using bed = await measuring(clock);
  const masters = Array.from({ length: 6 }, (_, number) =>
    candidate(`near-${number}`, '127.0.0.1', bed.port),
  );
  bed.measurer.setTerms({ intervalMs: 10_000, bytesPerDay: 35_000 });
  bed.measurer.setCandidates([candidate('old', '127.0.0.1'), ...masters]);
  const measured = () =>
    bed.measurer.report().flatMap(({ name, sent }) => (sent > 0 ? [String(name)] : []));
  await bed.measurer.measureNow();
  assert.deepEqual(measured(), ['near-0', 'near-1', 'near-2', 'near-3', 'near-4']);
  aheadMs += 86_400_000;
  await bed.measurer.measureNow();
  assert.deepEqual(measured().length, 6);
  bed.measurer.setTerms({ intervalMs: 10_000, bytesPerDay: 0 });
  const sent = bed.outcomes.length;
  await bed.measurer.measureNow();
  assert.equal(bed.outcomes.length, sent, 'nothing is sent for nothing');
});

test('however often a measurement is asked for, no more is sent than the budget allows', async () => {
  await using bed = await measuring();
  const masters = Array.from({ length: 64 }, (_, number) =>
    candidate(`near-${number}`, '127.0.0.1', bed.port),
  );
  bed.measurer.setCandidates(masters);
  let [before, rounds] = [-1, 0];
  while (before < bed.outcomes.length && rounds < 100) {
    before = bed.outcomes.length;
    await bed.measurer.measureNow();
    rounds += 1;
  }
  assert.equal(bed.outcomes.length, before, 'it goes on sending');
  assert.ok(bed.measurer.status.isLimited);
  const most = probeBudget().burstBytes / exchangeBytes;
  assert.ok(bed.outcomes.length <= most, `${bed.outcomes.length} of ${most}`);
  assert.ok(bed.outcomes.length > 64 * samplesOfRound);
});
