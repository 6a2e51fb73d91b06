import type { Conversation } from '../../src/host/firewall/conversation-listing.ts';
import { ConversationReader } from '../../src/host/firewall/conversation-reader.ts';
import { formatRuleset } from '../../src/host/firewall/ruleset.ts';
import { createRunner } from '../../src/host/runner.ts';
import { parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import type { Figure } from '../figure.ts';
import type { PartContext } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';
import { ConversationEntries, type Talk } from './conversation-entries.ts';

const counts = [0, 200, 5_000];
/** That have begun in the last second, among the most of them. */
const begunCount = 20;
const looks = 31;
const tableName = 'hanse_bench_looks';
const timeoutMs = 10_000;

/** What is looked at. */
interface Sight {
  readonly name: string;
  readonly count: number;
  readonly often: string;
  /** Called before each look, whose time begins after it. */
  readonly prepare?: () => Promise<void>;
  readonly look: () => Promise<readonly Conversation[]>;
}

/** What one look at who talks takes, by the reader that a master has, at sets of the kernel that are as full. */
export async function measureLooks({ progress }: PartContext): Promise<readonly Figure[]> {
  const runner = createRunner({});
  const sources = [parsePrefix('100.64.0.0/10'), parsePrefix('fd00:1::/48')];
  const members = [{ name: 'hnsbench', sources }];
  const gateway = { prefixes: sources, members, backbone: [] };
  const filtered = { interfaceNames: ['hnsbench'], gateway };
  const input = formatRuleset(filtered, { tableName, startOver: true });
  await runner.run('nft', ['-f', '-'], { input, timeoutMs });
  const entries = new ConversationEntries(runner, tableName);
  await using reader = new ConversationReader(runner, tableName);
  const figures: Figure[] = [];
  for (const count of counts) {
    progress(`looking at ${count} conversations`);
    await entries.note(talksOf(count));
    const name = `all of ${count.toLocaleString('en')} conversations`;
    const often = 'every 2.5 s';
    figures.push(await timeLooks({ name, count, often, look: () => reader.read() }));
    await entries.forget();
  }
  const talks = talksOf(Math.max(...counts));
  await entries.note(talks);
  figures.push(
    await timeLooks({
      name: `the ${begunCount} of ${talks.length.toLocaleString('en')} that have just begun`,
      ...{ count: begunCount, often: 'five a second' },
      prepare: () => entries.note(talks.slice(0, begunCount), true),
      look: () => reader.readBegun(),
    }),
  );
  await entries.forget();
  return figures;
}

/** @throws Error when it does not see them all: the figure would say nothing */
async function timeLooks({ name, count, often, prepare, look }: Sight): Promise<Figure> {
  await look();
  const tookMs: number[] = [];
  let ownUs = 0;
  for (let number = 0; number < looks; number += 1) {
    await prepare?.();
    const before = process.cpuUsage();
    const startedMs = performance.now();
    const { length } = await look();
    tookMs.push(performance.now() - startedMs);
    const { user, system } = process.cpuUsage(before);
    ownUs += user + system;
    if (length !== count) throw new Error(`a look saw ${length} of ${count} conversations`);
  }
  const ownMs = ownUs / 1_000 / looks;
  return {
    name: `one look at ${name}, median`,
    unit: 'ms',
    value: median(tookMs),
    detail: `${describeSpread(tookMs, 1)}; ${ownMs.toFixed(1)} of it in Node, the rest in nft; ${often}`,
  };
}

function talksOf(count: number): readonly Talk[] {
  const address = (block: number, index: number) =>
    parseAddress(`100.${block}.${index >> 8}.${index & 255}`);
  return Array.from({ length: count }, (_, index) => [address(64, index), address(65, index)]);
}
