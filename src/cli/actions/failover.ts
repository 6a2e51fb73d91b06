import type { OperatorClient } from '../../api/client/operator-client.ts';
import {
  type DrainProgress,
  drainMaster,
  listFailovers,
  returnMaster,
} from '../../api/failover-endpoints.ts';
import { parseMasterName } from '../../model/names.ts';
import type { FailoverRecord } from '../../model/records/roll.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { asOperator } from '../operator-session.ts';
import { DrainReport } from '../output/drain-report.ts';
import { formatDuration, formatTime } from '../output/human-units.ts';
import { writeJson, writeJsonLine } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';
import { subsetsToList } from '../subset-lookup.ts';

export interface DrainOptions extends OperatorOptions, ListingOptions {
  readonly wait: number;
}

export interface FailoverHistoryOptions extends OperatorOptions, ListingOptions {
  readonly subset?: string;
  readonly limit: number;
}

/** Exits with 1 when the master could not be emptied in time. */
export function drainAction(
  name: string,
  options: DrainOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const master = parseMasterName(name);
  return asOperator(options, async (client) => {
    const report = new DrainReport(terminal.err, master);
    const input = { params: { master }, body: { waitMs: options.wait } };
    let last: DrainProgress | undefined;
    for await (const progress of client.stream(drainMaster, input, { signal })) {
      if (options.json) writeJsonLine(terminal.out, progress);
      else report.add(progress);
      last = progress;
    }
    if (last?.type !== 'finished') {
      terminal.err.write(
        `hanse: ${master} stopped telling how its drain goes; \`hanse master list\` shows what it still acts for\n`,
      );
      return 1;
    }
    return last.kept === 0 && last.sessions === 0 ? 0 : 1;
  });
}

/** Exits with 1 when a subset of the master's own did not come back to it. */
export function returnAction(
  name: string,
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const master = parseMasterName(name);
  return asOperator(options, async (client) => {
    const reply = await client.call(returnMaster, { params: { master } }, { signal });
    if (options.json) writeJson(terminal.out, reply);
    else if (reply.subsets.length > 0) {
      terminal.out.write(formatTable(returnColumns, reply.subsets));
    }
    if (!options.json) terminal.err.write(`${master} is drained no more\n`);
    return reply.subsets.every(({ returned }) => returned) ? 0 : 1;
  });
}

/** Newest first, of one subset or of all. */
export function failoverHistoryAction(
  options: FailoverHistoryOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const subsets = subsetsToList(await client.directory(signal), options.subset);
    const names = subsets.map(({ name }) => name);
    const records = await historyOf(client, names, options.limit, signal);
    if (options.json) writeJson(terminal.out, { failovers: records });
    else terminal.out.write(formatTable(historyColumns, records));
    return undefined;
  });
}

async function historyOf(
  client: OperatorClient,
  subsets: readonly string[],
  limit: number,
  signal: AbortSignal,
): Promise<readonly FailoverRecord[]> {
  const histories = await Promise.all(
    subsets.map((subset) =>
      client.call(listFailovers, { params: { subset }, query: { limit } }, { signal }),
    ),
  );
  return histories
    .flatMap(({ failovers }) => failovers)
    .sort((one, other) => other.takenAtMs - one.takenAtMs)
    .slice(0, limit);
}

const returnColumns: readonly Column<{
  subset: string;
  returned: boolean;
  reason?: string | undefined;
}>[] = [
  { heading: 'SUBSET', cell: ({ subset }) => subset },
  {
    heading: 'RETURNED',
    cell: ({ returned, reason }) => (returned ? 'yes' : `NO: ${reason ?? ''}`),
  },
];

const historyColumns: readonly Column<FailoverRecord>[] = [
  { heading: 'TIME', cell: ({ takenAtMs }) => formatTime(takenAtMs) },
  { heading: 'SUBSET', cell: ({ subset }) => subset },
  { heading: 'CHANGE', cell: ({ change }) => change },
  { heading: 'FROM', cell: ({ from }) => from ?? '-' },
  { heading: 'TO', cell: ({ to }) => to },
  {
    heading: 'TOOK',
    cell: ({ noticedAtMs, actingAtMs }) => formatDuration(actingAtMs - noticedAtMs),
    align: 'right',
  },
];
