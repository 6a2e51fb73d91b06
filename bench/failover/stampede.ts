import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MasterProcess } from '../bed/master-process.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import type { Crowd } from '../crowd/crowd.ts';
import type { RenewalReport } from '../crowd/crowd-protocol.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import { monotonicMs } from '../crowd/monotonic-ms.ts';
import type { Figure } from '../figure.ts';
import { type Part, type PartContext, runsOf } from '../part.ts';
import { describeSpread, percentile } from '../statistics.ts';
import { untilFound } from './crowd-away.ts';

const count = 10_000;
/** In a subset of each backup's own. */
const bystanders = 50;
const usualRounds = 3;
const goals = { servedAfterS: 30, renewalMs: 100 };
/** Ten renewals a second at each backup. */
const renewEveryMs = 100;
/** Before the death, to compare with. */
const calmMs = 10_000;
/** Longer than members spread over, so that renewals meet all of them. */
const stormMs = 40_000;
const foundTimeoutMs = 120_000;
/** What a master takes well; members get their tickets minutes or hours before they need them. */
const inFlight = 32;
/** Renewals are on their way when the master dies. */
const leadMs = 1_000;

/** The members of a dead master all need another one, and others must not notice. */
export const stampede: Part = {
  name: 'stampede',
  summary: `a master with ${count} members dies, and two backups take them, ${usualRounds} times`,
  place: 'sandbox',
  async measure(context) {
    const rounds = runsOf(context, usualRounds);
    const storms: Storm[] = [];
    for (let round = 0; round < rounds; round += 1) {
      context.progress(`round ${round + 1} of ${rounds}`);
      storms.push(await measureStorm(round, context));
    }
    return figuresOf(storms);
  },
};

/** One death. */
interface Storm {
  readonly servedAfterMs: number;
  readonly calm: RenewalReport;
  readonly during: RenewalReport;
  /** Processor time from the death until all were served, seconds. */
  readonly cpu: { readonly backups: number; readonly members: number };
}

/** What takes processor time: a master, or a process of members. */
interface Worker {
  cpuSeconds(): Promise<number>;
}

/** Every time with a VPN of its own, in which nobody has ever moved. */
async function measureStorm(
  number: number,
  { directory, progress }: Pick<PartContext, 'directory' | 'progress'>,
): Promise<Storm> {
  await using stack = new AsyncDisposableStack();
  const bed = await VpnBed.create({ directory: join(directory, `vpn-${number}`), number, ...plan });
  const dying = stack.use(await bed.startMaster('one', ['moving']));
  const successors: MasterProcess[] = [];
  for (const [master, subset] of backups)
    successors.push(stack.use(await bed.startMaster(master, [subset])));
  const others = await joinBystanders(bed, stack);
  progress(`${count} members join`);
  const { crowds } = await joinCrowd(
    { bed, master: 'one', subset: 'moving', count, processes: 2, comeBack: true },
    stack,
  );
  progress('they get tickets of the masters that come next');
  for (const crowd of crowds) {
    await crowd.fetchTickets(inFlight);
    crowd.yieldToMasters();
  }
  progress('renewing in calm');
  const calm = await renewAll(others, calmMs);
  const renewing = renewAll(others, stormMs);
  await delay(leadMs);
  const usedBefore = await usedBy(successors, crowds);
  const diedMs = monotonicMs();
  await dying.crash();
  const { lastFoundMs } = await untilFound(crowds, count, foundTimeoutMs);
  const used = await usedBy(successors, crowds);
  const cpu = {
    backups: used.backups - usedBefore.backups,
    members: used.members - usedBefore.members,
  };
  const storm = { servedAfterMs: lastFoundMs - diedMs, calm, during: await renewing, cpu };
  progress(describe(storm));
  return storm;
}

const backups = [
  ['two', 'second'],
  ['three', 'third'],
] as const;

const plan = {
  masters: ['one', 'two', 'three'],
  /** Ten thousand members need three blocks of it, so that both backups are the first for some. */
  ipv4BlockLength: 20,
  subsets: [
    { name: 'moving', acting: 'one', backups: ['two', 'three'] },
    ...backups.map(([acting, name]) => ({ name, acting })),
  ],
};

async function joinBystanders(bed: VpnBed, stack: AsyncDisposableStack): Promise<readonly Crowd[]> {
  const joined = [];
  for (const [master, subset] of backups)
    joined.push(await joinCrowd({ bed, master, subset, count: bystanders, processes: 1 }, stack));
  return joined.flatMap(({ crowds }) => crowds);
}

async function usedBy(
  masters: readonly Worker[],
  crowds: readonly Worker[],
): Promise<Storm['cpu']> {
  const [backupSeconds, memberSeconds] = await Promise.all(
    [masters, crowds].map((workers) => Promise.all(workers.map((worker) => worker.cpuSeconds()))),
  );
  return { backups: sumOf(backupSeconds), members: sumOf(memberSeconds) };
}

function sumOf(values: readonly number[] = []): number {
  return values.reduce((sum, value) => sum + value, 0);
}

async function renewAll(crowds: readonly Crowd[], forMs: number): Promise<RenewalReport> {
  const reports = await Promise.all(
    crowds.map((crowd) => crowd.renew({ everyMs: renewEveryMs, forMs })),
  );
  return {
    kind: 'renewed',
    latenciesMs: reports.flatMap(({ latenciesMs }) => latenciesMs),
    unanswered: sumOf(reports.map(({ unanswered }) => unanswered)),
  };
}

function describe({ servedAfterMs, calm, during, cpu }: Storm): string {
  const [before, meanwhile] = [calm, during].map(({ latenciesMs }) =>
    percentile(latenciesMs, 99).toFixed(0),
  );
  const seconds = (servedAfterMs / 1_000).toFixed(1);
  return `all served after ${seconds} s; others’ renewals 99 % within ${meanwhile} ms, ${before} before; ${describeUse(cpu)}`;
}

function describeUse({ backups: masters, members }: Storm['cpu']): string {
  const [perMaster, perMember] = [masters, members].map((seconds) =>
    ((seconds / count) * 1_000).toFixed(1),
  );
  return `each took ${perMaster} ms of a core at the backups and ${perMember} as a member`;
}

function meanUse(storms: readonly Storm[]): Storm['cpu'] {
  return {
    backups: sumOf(storms.map(({ cpu }) => cpu.backups)) / storms.length,
    members: sumOf(storms.map(({ cpu }) => cpu.members)) / storms.length,
  };
}

function figuresOf(storms: readonly Storm[]): readonly Figure[] {
  const servedAfterS = storms.map(({ servedAfterMs }) => servedAfterMs / 1_000);
  const calmMs = storms.flatMap(({ calm }) => calm.latenciesMs);
  const stormMs = storms.flatMap(({ during }) => during.latenciesMs);
  const unanswered = sumOf(storms.map(({ during }) => during.unanswered));
  return [
    {
      name: '10,000 members of a dead master all have a session with two backups, longest',
      unit: 's',
      value: Math.max(...servedAfterS),
      goal: { kind: 'at-most', value: goals.servedAfterS },
      detail: `${describeSpread(servedAfterS, 1)}; ${describeUse(meanUse(storms))}`,
    },
    {
      name: 'others’ renewals at these backups meanwhile, 99th percentile',
      unit: 'ms',
      value: percentile(stormMs, 99),
      goal: { kind: 'at-most', value: goals.renewalMs },
      reference: { name: 'before', value: percentile(calmMs, 99) },
      detail: `${describeSpread(stormMs)}; ${unanswered} without an answer`,
    },
  ];
}
