import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describeHeard, type Heard, heardBy, heardSince, totalOf } from '../bed/heard-by.ts';
import type { MasterProcess } from '../bed/master-process.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import type { Crowd } from '../crowd/crowd.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import type { Figure } from '../figure.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread } from '../statistics.ts';
import { untilFound } from './crowd-away.ts';

const count = 1_000;
const usualRounds = 5;
/** The directory's own change: who acts now. */
const mostHeard = 1;
const foundTimeoutMs = 60_000;
/** For what is told late, such as acknowledgements that a backup gathers. */
const settleMs = 2_000;
/** Its home master and its backup, which die by turns. */
const serving = ['one', 'two'] as const;
const uninvolved = ['three', 'four'] as const;

/** What masters hear of a failover that back up nothing of the dead master, counted by themselves. */
export const isolation: Part = {
  name: 'isolation',
  summary: `the acting master of ${count} members dies, ${usualRounds} times, and what uninvolved masters hear`,
  place: 'sandbox',
  async measure(context) {
    const { directory, progress } = context;
    await using stack = new AsyncDisposableStack();
    const bed = await VpnBed.create({ directory: join(directory, 'vpn'), ...plan });
    const masters = new Map<string, MasterProcess>();
    for (const name of plan.masters) {
      const own = plan.subsets.filter(({ acting }) => acting === name);
      const subsets = own.map(({ name: subset }) => subset);
      masters.set(name, stack.use(await bed.startMaster(name, subsets)));
    }
    progress('joining');
    const { crowds } = await joinCrowd(
      { bed, master: 'one', subset: 'failing', count, processes: 1, comeBack: true },
      stack,
    );
    const rounds = runsOf(context, usualRounds);
    const seen: Failover[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const victim = serving[round % 2] ?? 'one';
      const failover = await failOver(masters, victim, { crowds, times: count * (round + 1) });
      seen.push(failover);
      progress(`round ${round + 1} of ${rounds}: ${describeHeard(failover.uninvolved)}`);
      masters.set(victim, stack.use(await bed.startMaster(victim, [])));
      await delay(settleMs);
    }
    return [figureOf(seen)];
  },
};

/** The two that die by turns have no other subset, so that each death is one failover. */
const plan = {
  masters: ['one', 'two', 'three', 'four'],
  subsets: [
    { name: 'failing', acting: 'one', backups: ['two'] },
    { name: 'third', acting: 'three', backups: ['four'] },
    { name: 'fourth', acting: 'four', backups: ['three'] },
  ],
};

/** What came during one failover. */
interface Failover {
  /** At the uninvolved master that heard most. */
  readonly uninvolved: Heard;
  /** At the one that took over, how much. */
  readonly successor: number;
}

/** Ends when every member has a session again. */
async function failOver(
  masters: ReadonlyMap<string, MasterProcess>,
  victim: string,
  { crowds, times }: { readonly crowds: readonly Crowd[]; readonly times: number },
): Promise<Failover> {
  const [successor = 'one'] = serving.filter((name) => name !== victim);
  const listeners = [successor, ...uninvolved].flatMap((name) => masters.get(name) ?? []);
  const before = await Promise.all(listeners.map(heardBy));
  await masters.get(victim)?.crash();
  await untilFound(crowds, times, foundTimeoutMs);
  await delay(settleMs);
  const after = await Promise.all(listeners.map(heardBy));
  const [atSuccessor, ...atOthers] = before.map((then, index) =>
    heardSince(then, after[index] ?? then),
  );
  const [most] = atOthers.toSorted((one, other) => totalOf(other) - totalOf(one));
  if (!atSuccessor || !most) throw new Error('nobody listened');
  return { uninvolved: most, successor: totalOf(atSuccessor) };
}

function figureOf(seen: readonly Failover[]): Figure {
  const counts = seen.map(({ uninvolved: heard }) => totalOf(heard));
  const most = Math.max(...counts);
  const example = seen.find(({ uninvolved: heard }) => totalOf(heard) === most);
  return {
    name: 'control messages and store events of a failover at a master that backs up nothing of the dead one',
    unit: '',
    value: most,
    goal: { kind: 'at-most', value: mostHeard },
    reference: {
      name: 'at the successor',
      value: Math.max(...seen.map(({ successor }) => successor)),
    },
    detail: `${count} members, ${describeSpread(counts)}; ${example ? describeHeard(example.uninvolved) : ''}`,
  };
}
