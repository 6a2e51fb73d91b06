import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner, type Runner } from '../../src/host/runner.ts';
import { masterPlace } from '../bed/master-network.ts';
import type { MasterProcess } from '../bed/master-process.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { waitUntil } from '../bed/wait-until.ts';
import type { Crowd } from '../crowd/crowd.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import type { Figure } from '../figure.ts';
import type { PartContext } from '../part.ts';
import { ConversationEntries } from './conversation-entries.ts';
import { conversationsOfEach, talkRing } from './talk-ring.ts';

/** For what was done before to be collected; nothing is waited for that would not happen by itself. */
const settleMs = 5_000;
const restMs = 5_000;
const introducedTimeoutMs = 120_000;
const nftTimeoutMs = 10_000;

export interface ConversationCrowd {
  /** Of the VPN, among those of a run. */
  readonly number: number;
  /** Members. */
  readonly count: number;
  /** Conversations that the kernel sees at once; the others have found their way, or have not begun. */
  readonly inSight: number;
}

/** What a master has and does for conversations of members that have real sessions. */
export async function measureMemory(
  { number, count, inSight }: ConversationCrowd,
  { directory, progress }: PartContext,
): Promise<readonly Figure[]> {
  const bed = await VpnBed.create({
    directory: join(directory, `vpn-${number}`),
    masters: ['one'],
    subsets: [{ name: 'all', acting: 'one' }],
    number,
  });
  await using master = await bed.startMaster('one', ['all']);
  await using stack = new AsyncDisposableStack();
  progress(`${count} members join`);
  const crowd = { bed, master: 'one', subset: 'all', count, processes: 1, takesDirect: true };
  const { crowds, addresses } = await joinCrowd(crowd, stack);
  await delay(settleMs);
  const before = { bytes: await master.residentBytes(), atRest: await loadAtRest(master) };
  const entries = await entriesOf(masterPlace(number, 0).namespace);
  const talks = talkRing(addresses);
  progress(`${talks.length} conversations begin`);
  const cpuSeconds = await master.cpuSeconds();
  const startedMs = performance.now();
  for (let first = 0; first < talks.length; first += inSight) {
    const some = talks.slice(first, first + inSight);
    await entries.note(some, true);
    await untilIntroduced(crowds, first + some.length);
    await entries.forget();
  }
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const busySeconds = (await master.cpuSeconds()) - cpuSeconds;
  await delay(settleMs);
  const bytes = (await master.residentBytes()) - before.bytes;
  const atRest = await loadAtRest(master);
  const of = `${count.toLocaleString('en')} members × ${conversationsOfEach}, ${inSight.toLocaleString('en')} in sight`;
  return [
    {
      name: `resident memory of a master for each remembered conversation, ${of}`,
      unit: 'KB',
      value: bytes / 1024 / talks.length,
      detail: `${talks.length} pairs, ${(bytes / 1024 / 1024).toFixed(1)} MB in all, on ${(before.bytes / 1024 / 1024).toFixed(0)} MB before`,
    },
    {
      name: `processor time of a master for each introduction, ${of}`,
      unit: 'ms',
      value: (busySeconds * 1_000) / talks.length,
      detail: `two asked to meet, two introduced, and the looks meanwhile; all were within ${tookSeconds.toFixed(1)} s`,
    },
    {
      name: `processor time at rest with these remembered, ${of}`,
      unit: '%',
      value: atRest,
      reference: { name: 'with none', value: before.atRest },
      detail: `of a core, over ${restMs / 1_000} s, looks at empty sets included`,
    },
  ];
}

/** Both ends of so many pairs have been told of the other. */
async function untilIntroduced(crowds: readonly Crowd[], pairs: number): Promise<void> {
  await waitUntil(`${pairs} pairs are introduced`, introducedTimeoutMs, async () => {
    const told = await Promise.all(crowds.map((crowd) => crowd.introductions()));
    return told.reduce((sum, each) => sum + each, 0) >= 2 * pairs ? true : undefined;
  });
}

/** Percent of a core. */
async function loadAtRest(master: MasterProcess): Promise<number> {
  const before = await master.cpuSeconds();
  await delay(restMs);
  return (((await master.cpuSeconds()) - before) * 100_000) / restMs;
}

async function entriesOf(namespace: string): Promise<ConversationEntries> {
  const runner = createRunner({ networkNamespace: namespace });
  return new ConversationEntries(runner, await tableNameOf(runner));
}

async function tableNameOf(runner: Runner): Promise<string> {
  const { stdout } = await runner.run('nft', ['list', 'tables'], { timeoutMs: nftTimeoutMs });
  const name = /^table inet (hanse_\w+)$/m.exec(stdout)?.[1];
  if (name !== undefined) return name;
  throw new Error(`the master has no table:\n${stdout}`);
}
