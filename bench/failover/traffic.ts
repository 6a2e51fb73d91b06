import type { Figure } from '../figure.ts';
import { type Part, type PartContext, runsOf } from '../part.ts';
import { describeSpread, median, percentile } from '../statistics.ts';
import { FailoverBed } from './failover-bed.ts';
import {
  daemonDeath,
  deathWithTheLeader,
  type Failure,
  machineDeath,
  pulledLink,
} from './failures.ts';
import { type Interruption, interrupt } from './interruption.ts';

const runs = 50;
/** Of failures that only inform. */
const fewerRuns = 10;
const goals = { betweenGapMs: 1_000, changedAfterMs: 5_000 };

/** What members and operators notice when the acting master fails, by a crash and by silence. */
export const traffic: Part = {
  name: 'traffic',
  summary: `the acting master fails under traffic, ${runs} times by a crash and ${runs} by a cut link`,
  place: 'here',
  async measure(context) {
    await using bed = await FailoverBed.open(context.progress);
    await bed.warm();
    const repeat = (failure: Failure, usual: number) =>
      interruptOften(bed, failure, usual, context);
    return [
      ...figuresOf(machineDeath, await repeat(machineDeath, runs), true),
      ...figuresOf(pulledLink, await repeat(pulledLink, runs), true),
      ...figuresOf(daemonDeath, await repeat(daemonDeath, fewerRuns), false),
      ...figuresOf(deathWithTheLeader, await repeat(deathWithTheLeader, fewerRuns), false),
    ];
  },
};

async function interruptOften(
  bed: FailoverBed,
  failure: Failure,
  usual: number,
  context: PartContext,
): Promise<readonly Interruption[]> {
  const seen: Interruption[] = [];
  const count = runsOf(context, usual);
  for (let run = 0; run < count; run += 1) {
    const one = await interrupt(bed, failure);
    seen.push(one);
    context.progress(`${failure.name}, ${run + 1} of ${count}: ${describe(one)}`);
  }
  return seen;
}

function describe({ betweenGapMs, withinGapMs, changedAfterMs }: Interruption): string {
  const [between, within, changed] = [betweenGapMs, withinGapMs, changedAfterMs].map((ms) =>
    ms.toFixed(0),
  );
  return `gap ${between} ms between subsets, ${within} ms within; a change after ${changed} ms`;
}

function figuresOf(
  { name }: Failure,
  seen: readonly Interruption[],
  hasGoals: boolean,
): readonly Figure[] {
  const between = seen.map(({ betweenGapMs }) => betweenGapMs);
  const within = seen.map(({ withinGapMs }) => withinGapMs);
  const changed = seen.map(({ changedAfterMs }) => changedAfterMs);
  const goal = (value: number): Pick<Figure, 'goal'> =>
    hasGoals ? { goal: { kind: 'at-most', value } } : {};
  return [
    {
      name: `gap between subsets, ${name}, 99th percentile`,
      unit: 'ms',
      value: percentile(between, 99),
      ...goal(goals.betweenGapMs),
      detail: `a packet every 5 ms; ${describeSpread(between)}, median ${median(between).toFixed(0)}`,
    },
    {
      name: `gap within the subset through its masters, ${name}, 99th percentile`,
      unit: 'ms',
      value: percentile(within, 99),
      detail: `${describeSpread(within)}, median ${median(within).toFixed(0)}`,
    },
    {
      name: `first change accepted by a backup, ${name}, 99th percentile`,
      unit: 'ms',
      value: percentile(changed, 99),
      ...goal(goals.changedAfterMs),
      detail: `etcd with its default timing, starting the command included; ${describeSpread(changed)}, median ${median(changed).toFixed(0)}`,
    },
  ];
}
