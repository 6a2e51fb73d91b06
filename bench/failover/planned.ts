import { setTimeout as delay } from 'node:timers/promises';
import type { PacketStream } from '../../lab/packet-stream.ts';
import { waitUntil } from '../bed/wait-until.ts';
import type { Figure } from '../figure.ts';
import { type Part, runsOf } from '../part.ts';
import { FailoverBed, failing, servingHosts } from './failover-bed.ts';
import { startStreams } from './interruption.ts';

const usualRounds = 5;
const stopTimeoutMs = 30_000;
const movedTimeoutMs = 60_000;
/** Longer than a gateway lingers and a member waits before it goes back. */
const afterwardsMs = 5_000;
const [home] = servingHosts;

/** What planned changes of masters lose: nothing, if all is well. */
export const planned: Part = {
  name: 'planned',
  summary: `drain, return and a rolling restart of all masters under traffic, ${usualRounds} times`,
  place: 'here',
  async measure(context) {
    await using bed = await FailoverBed.open(context.progress);
    await bed.warm();
    const rounds = runsOf(context, usualRounds);
    const [drained, returned, restarted] = [new Loss(), new Loss(), new Loss()];
    for (let round = 1; round <= rounds; round += 1) {
      await drained.during(bed, () => drain(bed));
      await returned.during(bed, () => bringBack(bed));
      await restarted.during(bed, () => restartAll(bed));
      await bringBack(bed);
      await bed.warm();
      context.progress(
        `round ${round} of ${rounds}: ${drained.lost}, ${returned.lost} and ${restarted.lost} lost so far`,
      );
    }
    return [
      drained.figure('packets lost by draining the acting master', rounds),
      returned.figure('packets lost by its return', rounds),
      restarted.figure('packets lost by restarting all masters, one after the other', rounds),
    ];
  },
};

/** What streams between subsets and within one have lost. */
class Loss {
  sent = 0;
  lost = 0;
  longestGapMs = 0;

  async during(bed: FailoverBed, change: () => Promise<void>): Promise<void> {
    const streams: readonly PacketStream[] = await startStreams(bed);
    await change();
    await delay(afterwardsMs);
    for (const stream of streams) {
      const { sentAtMs, lost, longestGap } = await stream.stop();
      this.sent += sentAtMs.length;
      this.lost += lost.length;
      if (lost.length > 0) this.longestGapMs = Math.max(this.longestGapMs, longestGap.lengthMs);
    }
  }

  figure(name: string, rounds: number): Figure {
    const gap = this.lost > 0 ? `; the longest gap was ${this.longestGapMs.toFixed(0)} ms` : '';
    return {
      name,
      unit: 'packets',
      value: this.lost,
      goal: { kind: 'at-most', value: 0 },
      detail: `${this.sent} sent in ${rounds} rounds, between subsets and within one${gap}`,
    };
  }
}

async function drain(bed: FailoverBed): Promise<void> {
  await bed.hanse(['master', 'drain', home]);
  await waitUntil(`${home} acts for ${failing} no longer`, movedTimeoutMs, async () =>
    (await bed.acting()).name === home ? undefined : true,
  );
}

/** Home, also when it was drained. */
async function bringBack(bed: FailoverBed): Promise<void> {
  await bed.hanse(['master', 'return', home]);
  await waitUntil(`${home} acts for ${failing}`, movedTimeoutMs, async () =>
    (await bed.acting()).name === home ? true : undefined,
  );
}

async function restartAll(bed: FailoverBed): Promise<void> {
  for (const master of bed.vpn.masters) {
    await master.process.stop(stopTimeoutMs);
    await master.startAsBackup();
    await bed.warm();
  }
}
