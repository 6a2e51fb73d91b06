import { z } from 'zod';
import { stderrOf } from '../host-error.ts';
import { parseNftJson } from '../nft.ts';
import type { Runner } from '../runner.ts';
import { type DropReason, dropReasons } from './ruleset.ts';

/** Packets dropped since the table was made, by reason. */
export type DropCounts = Readonly<Record<DropReason, number>>;

const counterSchema = z.object({
  counter: z.object({ name: z.string(), packets: z.number() }).optional(),
});

const timeoutMs = 10_000;

/** Reads our table's counters; all zero when there is no table. */
export async function readDropCounts(runner: Runner, tableName: string): Promise<DropCounts> {
  const packets = new Map<string, number>();
  const stdout = await listCounters(runner, tableName);
  if (stdout !== undefined) {
    for (const { counter } of parseNftJson(stdout, counterSchema, 'nft -j list counters')) {
      if (counter !== undefined) packets.set(counter.name, counter.packets);
    }
  }
  const counts = dropReasons.map((reason) => [reason, packets.get(reason) ?? 0]);
  return Object.fromEntries(counts) as DropCounts;
}

async function listCounters(runner: Runner, tableName: string): Promise<string | undefined> {
  try {
    const args = ['-j', 'list', 'counters', 'table', 'inet', tableName];
    return (await runner.run('nft', args, { timeoutMs })).stdout;
  } catch (error) {
    if (/No such file or directory/.test(stderrOf(error))) {
      return undefined;
    }
    throw error;
  }
}
