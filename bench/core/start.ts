import { join } from 'node:path';
import { VpnBed } from '../bed/vpn-bed.ts';
import { writeRoll } from '../bed/write-roll.ts';
import type { Part } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const count = 10_000;
const starts = 7;
const timeoutMs = 60_000;

/** From starting the program to an authenticated answer that shows the subset acted for, and all of its members. */
export const start: Part = {
  name: 'start',
  summary: `a master with ${count} members in its roll starts`,
  place: 'sandbox',
  async measure({ directory, progress }) {
    const bed = await VpnBed.create({
      directory: join(directory, 'vpn'),
      masters: ['one'],
      subsets: [{ name: 'all', acting: 'one' }],
    });
    {
      await using store = await bed.openStore();
      await writeRoll(store, 'all', count);
    }
    const durationsMs: number[] = [];
    for (let round = 0; round < starts; round += 1) {
      progress(`start ${round + 1} of ${starts}`);
      const startedMs = performance.now();
      await using master = bed.spawnMaster('one');
      await master.serving(
        ({ subsets }) =>
          subsets.some(({ role, members }) => role === 'acting' && members === count),
        timeoutMs,
      );
      durationsMs.push(performance.now() - startedMs);
    }
    return [
      {
        name: 'master start with 10,000 members, to the first answer',
        unit: 'ms',
        value: median(durationsMs),
        goal: { kind: 'at-most', value: 2_000 },
        detail: describeSpread(durationsMs),
      },
    ];
  },
};
