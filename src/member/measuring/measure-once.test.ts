import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CandidateMaster } from '../../api/measuring-messages.ts';
import { samplesOfRound } from '../../core/measuring/probe-schedule.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { parseMasterName } from '../../model/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLog } from '../../runtime/log.ts';
import { StunServer } from '../../stun/stun-server.ts';
import { measureOnce } from './measure-once.ts';

const { signal } = new AbortController();

/** A STUN server, for as many masters as a test likes. */
const stunServer = () =>
  StunServer.listen(
    { host: '127.0.0.1', port: 0, software: 'hanse' },
    { clock: systemClock, log: silentLog(), onPacket: () => undefined },
  );

const candidate = (name: string, host: string, stunPort?: number): CandidateMaster => ({
  ...{ name: parseMasterName(name), control: endpointSchema.parse(`${host}:8443`) },
  ...(stunPort === undefined ? {} : { stunPort }),
});

/** Measures, and notes whose control ports were tried. */
async function measured(candidates: readonly CandidateMaster[], refusing: readonly string[] = []) {
  const tried: string[] = [];
  const masters = await measureOnce(
    candidates,
    {
      ...{ clock: systemClock, random: () => 0 },
      resolveHost: async (host) => {
        throw new Error(`there is no ${host}`);
      },
      proveControl: async ({ name }) => {
        tried.push(name);
        if (refusing.includes(name)) throw new Error('connection refused');
      },
    },
    signal,
  );
  const reports = masters.map((master) => master.report(systemClock.monotonicMs()));
  return { tried, reports: new Map(reports.map((report) => [String(report.name), report])) };
}

test('each master is measured once, and one that cannot be keeps no other from it', async () => {
  await using server = await stunServer();
  const { tried, reports } = await measured([
    candidate('near', '127.0.0.1', server.port),
    candidate('plain', '127.0.0.1'),
    candidate('lost', 'nowhere.example', server.port),
  ]);
  const near = reports.get('near');
  assert.deepEqual([near?.stun, near?.sent, near?.lost], ['answers', samplesOfRound, 0]);
  assert.deepEqual([near?.hops, near?.control, near?.downMbit], [1, 'answers', undefined]);
  assert.equal(reports.get('plain')?.stun, 'none');
  assert.equal(reports.get('lost')?.stun, 'silent');
  assert.deepEqual(tried, ['near']);
});

test('control ports of the nearest three are tried, and those that fail make room for the next', async () => {
  await using server = await stunServer();
  const names = ['one', 'two', 'three', 'four', 'five'];
  const candidates = names.map((name) => candidate(name, '127.0.0.1', server.port));
  const all = await measured(candidates);
  assert.equal(all.tried.length, 3);
  const none = await measured(candidates, names);
  assert.equal(new Set(none.tried).size, 5);
  for (const name of names) assert.equal(none.reports.get(name)?.control, 'fails');
});
