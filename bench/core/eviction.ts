import { join } from 'node:path';
import type { MemberName } from '../../src/model/names.ts';
import { type Eviction, evict } from '../bed/evict.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { writeRoll } from '../bed/write-roll.ts';
import { joinCrowd } from '../crowd/joined-crowd.ts';
import type { Part, PartContext } from '../part.ts';
import { median, percentile } from '../statistics.ts';

const count = 1_000;
const evictions = 40;
/** Elsewhere in the large VPN: 99 subsets of 1,000, which another master acts for. */
const otherSubsets = 99;

/**
 * Evictions that every other member has acknowledged, in a VPN of 1,000 members and in one of
 * 100,000, by turns: whatever else the machine does, it does to both.
 */
export const eviction: Part = {
  name: 'eviction',
  summary: `evictions that ${count} members acknowledge, in a VPN of ${count} and of ${count * (otherSubsets + 1)}`,
  place: 'sandbox',
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const small = await Site.open({ number: 0, otherSubsets: 0 }, context, stack);
    const large = await Site.open({ number: 1, otherSubsets }, context, stack);
    for (let round = 0; round < evictions; round += 1) {
      context.progress(`eviction ${round + 1} of ${evictions}`);
      for (const site of round % 2 === 0 ? [small, large] : [large, small]) await site.evictOne();
    }
    const [smallMs, largeMs] = [small, large].map(({ done }) =>
      done.map(({ finishedAfterMs }) => finishedAfterMs),
    ) as [number[], number[]];
    const removedMs = small.done.map(({ removedAfterMs }) => removedAfterMs);
    return [
      {
        name: 'eviction acknowledged by all 1,000 members, 99th percentile',
        unit: 'ms',
        value: percentile(smallMs, 99),
        goal: { kind: 'at-most', value: 1_000 },
        detail: `${evictions} evictions; median ${median(smallMs).toFixed(0)} ms`,
      },
      {
        name: 'the same with 100,000 members in all, 99th percentile',
        unit: 'ms',
        value: percentile(largeMs, 99),
        reference: { name: 'with 1,000', value: percentile(smallMs, 99) },
        goal: { kind: 'at-most', value: 1_000 },
        detail: `median ${median(largeMs).toFixed(0)} ms`,
      },
      {
        name: 'difference that 100,000 members make to the median',
        unit: '%',
        value: Math.abs(median(largeMs) / median(smallMs) - 1) * 100,
        reference: { name: 'ms with 1,000', value: median(smallMs) },
        goal: { kind: 'at-most', value: 10 },
        detail: `${median(smallMs).toFixed(1)} and ${median(largeMs).toFixed(1)} ms`,
      },
      {
        name: 'time to rotate: eviction durable, peer gone, next key sent',
        unit: 'ms',
        value: median(removedMs),
        detail: 'median, as the operator sees it',
      },
    ];
  },
};

interface SiteOptions {
  readonly number: number;
  readonly otherSubsets: number;
}

/** A VPN in which the measured subset is one of few or of many. */
class Site {
  readonly #bed: VpnBed;
  readonly #victims: MemberName[];
  readonly done: Eviction[] = [];

  private constructor(bed: VpnBed, names: readonly MemberName[]) {
    this.#bed = bed;
    this.#victims = [...names];
  }

  static async open(
    { number, otherSubsets: others }: SiteOptions,
    { directory, progress }: PartContext,
    stack: AsyncDisposableStack,
  ): Promise<Site> {
    const elsewhere = Array.from({ length: others }, (_, index) => `other-${index}`);
    progress(`making a VPN of ${count * (others + 1)} members`);
    const bed = await VpnBed.create({
      directory: join(directory, `vpn-${number}`),
      number,
      masters: ['one', 'two'],
      subsets: [
        { name: 'measured', acting: 'one' },
        ...elsewhere.map((name) => ({ name, acting: 'two' })),
      ],
    });
    await fillRolls(bed, elsewhere);
    stack.use(await bed.startMaster('one', ['measured']));
    const { names } = await joinCrowd(
      { bed, master: 'one', subset: 'measured', count: count + evictions, processes: 1 },
      stack,
    );
    return new Site(bed, names);
  }

  /** @throws Error when somebody did not acknowledge: the figure would say nothing */
  async evictOne(): Promise<void> {
    const name = this.#victims.shift();
    if (!name) throw new Error('nobody is left to evict');
    const eviction = await evict(this.#bed, { subset: 'measured', name });
    if (eviction.pending > 0) throw new Error(`${eviction.pending} members did not acknowledge`);
    this.done.push(eviction);
  }
}

async function fillRolls(bed: VpnBed, subsets: readonly string[]): Promise<void> {
  await using store = await bed.openStore();
  for (const subset of subsets) await writeRoll(store, subset, count);
}
