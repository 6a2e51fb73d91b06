import { join } from 'node:path';
import { type Rotation, rotate } from '../bed/rotate.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread, median, percentile } from '../statistics.ts';

const count = 1_000;
const usualRotations = 40;
const slowestMs = 2_000;

/** Rotations by hand that every member has acknowledged, as the operator who asks for them sees it. */
export const rotation: Part = {
  name: 'rotation',
  summary: `${usualRotations} rotations by hand that ${count} members acknowledge`,
  place: 'sandbox',
  async measure(context) {
    const { directory, progress } = context;
    const bed = await VpnBed.create({
      directory: join(directory, 'vpn'),
      masters: ['one'],
      subsets: [{ name: 'all', acting: 'one' }],
    });
    await using _master = await bed.startMaster('one', ['all']);
    await using stack = new AsyncDisposableStack();
    progress('joining');
    await joinCrowd({ bed, master: 'one', subset: 'all', count, processes: 1 }, stack);
    const rotations = runsOf(context, usualRotations);
    const done: Rotation[] = [];
    for (let round = 0; round < rotations; round += 1) {
      progress(`rotation ${round + 1} of ${rotations}`);
      done.push(await rotateOnce(bed));
    }
    const finishedMs = done.map(({ finishedAfterMs }) => finishedAfterMs);
    const rotatedMs = done.map(({ rotatedAfterMs }) => rotatedAfterMs);
    return [
      {
        name: 'rotation acknowledged by all 1,000 members, 99th percentile',
        unit: 'ms',
        value: percentile(finishedMs, 99),
        goal: { kind: 'at-most', value: slowestMs },
        detail: `median ${median(finishedMs).toFixed(0)} ms, ${describeSpread(finishedMs)}`,
      },
      {
        name: 'the same until the key is durable, sent and in the master’s WireGuard',
        unit: 'ms',
        value: median(rotatedMs),
        detail: `median, as the operator sees it; ${describeSpread(rotatedMs)}`,
      },
    ];
  },
};

/** @throws Error when somebody did not acknowledge: the figure would say nothing */
async function rotateOnce(bed: VpnBed): Promise<Rotation> {
  const seen = await rotate(bed, 'all');
  if (seen.acknowledged === count) return seen;
  throw new Error(`${seen.pending} members did not acknowledge`);
}
