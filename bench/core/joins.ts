import { join } from 'node:path';
import { VpnBed } from '../bed/vpn-bed.ts';
import { Crowd } from '../crowd/crowd.ts';
import type { Part } from '../part.ts';
import { median, percentile } from '../statistics.ts';

const count = 3_000;
const crowdCount = 2;
const inFlight = 64;

/**
 * Joins at one master: every one a TLS 1.3 handshake with a key of its own, a token, a certificate,
 * a durable record, and a peer in the master's WireGuard, before it is answered.
 */
export const joins: Part = {
  name: 'joins',
  summary: `${count} members join at one master, ${crowdCount * inFlight} at once`,
  place: 'sandbox',
  async measure({ directory, progress }) {
    const bed = await VpnBed.create({
      directory: join(directory, 'vpn'),
      masters: ['one'],
      subsets: [{ name: 'all', acting: 'one' }],
    });
    await using master = await bed.startMaster('one', ['all']);
    await using stack = new AsyncDisposableStack();
    const crowds = Array.from({ length: crowdCount }, () => stack.use(new Crowd()));
    const each = count / crowdCount;
    progress('making keys');
    await Promise.all(crowds.map((crowd) => crowd.prepare({ bed, masters: ['one'], count: each })));
    const token = await bed.createInvite('all', count);
    progress('joining');
    const cpuBefore = await master.cpuSeconds();
    const reports = await Promise.all(
      crowds.map((crowd) => crowd.join({ token, count: each, inFlight, stay: false })),
    );
    const cpuSeconds = (await master.cpuSeconds()) - cpuBefore;
    const startedMs = Math.min(...reports.map((report) => report.startedMs));
    const endedMs = Math.max(...reports.map((report) => report.endedMs));
    const latenciesMs = reports.flatMap((report) => report.latenciesMs);
    const retries = reports.reduce((sum, report) => sum + report.retries, 0);
    const seconds = (endedMs - startedMs) / 1_000;
    return [
      {
        name: 'joins sustained by one master',
        unit: '1/s',
        value: count / seconds,
        goal: { kind: 'at-least', value: 300 },
        detail: `${count} joins; the master had ${((cpuSeconds / seconds) * 100).toFixed(0)} % of a core and took ${((cpuSeconds / count) * 1_000).toFixed(1)} ms of it for each; ${retries} asked to come back later`,
      },
      {
        name: `join, ${crowdCount * inFlight} at once, median`,
        unit: 'ms',
        value: median(latenciesMs),
        detail: `99th percentile ${percentile(latenciesMs, 99).toFixed(0)} ms`,
      },
    ];
  },
};
