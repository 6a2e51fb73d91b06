import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { evict } from '../bed/evict.ts';
import { processesNamed, residentBytesOf } from '../bed/process-usage.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { delivered } from '../crowd/crowd.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import type { Part } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const count = 10_000;
const rotations = 5;
/** For what joining has left to be collected; nothing is waited for that would not happen by itself. */
const settleMs = 5_000;

/** What ten thousand connected members cost, and how soon all of them have a message. */
export const sessions: Part = {
  name: 'sessions',
  summary: `${count} members stay connected to one master`,
  place: 'sandbox',
  async measure({ directory, progress }) {
    const bed = await VpnBed.create({
      directory: join(directory, 'vpn'),
      masters: ['one'],
      subsets: [{ name: 'all', acting: 'one' }],
    });
    await using master = await bed.startMaster('one', ['all']);
    await using stack = new AsyncDisposableStack();
    const emptyBytes = await master.residentBytes();
    progress('joining');
    const joiningMs = performance.now();
    const { crowds, names, retries } = await joinCrowd(
      { bed, master: 'one', subset: 'all', count, processes: 2 },
      stack,
    );
    const joinedPerSecond = (count * 1_000) / (performance.now() - joiningMs);
    await delay(settleMs);
    const bytes = (await master.residentBytes()) - emptyBytes;
    const tunnelBytes = (
      await Promise.all((await processesNamed('wireguard-go')).map(residentBytesOf))
    ).reduce((sum, of) => sum + of, 0);
    const spreadsMs: number[] = [];
    const totalsMs: number[] = [];
    for (const [index, name] of names.slice(0, rotations).entries()) {
      progress(`eviction ${index + 1} of ${rotations}`);
      const { epoch, startedMs } = await evict(bed, { subset: 'all', name });
      const { firstMs, lastMs } = await delivered(crowds, epoch, count - index - 1);
      spreadsMs.push(lastMs - firstMs);
      totalsMs.push(lastMs - startedMs);
    }
    return [
      {
        name: 'joins while 10,000 members come and stay',
        unit: '1/s',
        value: joinedPerSecond,
        detail: `making their keys included; ${retries} were asked to come back later`,
      },
      {
        name: 'resident memory of a master per connected member',
        unit: 'KB',
        value: bytes / 1024 / count,
        goal: { kind: 'at-most', value: 80 },
        detail: `${count} members; wireguard-go has ${(tunnelBytes / 1024 / count).toFixed(1)} KB more for each`,
      },
      {
        name: 'message to 10,000 members, first to last',
        unit: 'ms',
        value: median(spreadsMs),
        goal: { kind: 'at-most', value: 300 },
        detail: `a new key; ${describeSpread(spreadsMs)}`,
      },
      {
        name: 'message to 10,000 members, operator’s request to last',
        unit: 'ms',
        value: median(totalsMs),
        detail: `TLS, the durable eviction and the new key; ${describeSpread(totalsMs)}`,
      },
    ];
  },
};
