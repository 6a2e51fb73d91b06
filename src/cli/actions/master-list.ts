import type { DirectoryView } from '../../api/directory-endpoints.ts';
import type { MasterStatus } from '../../api/status-endpoints.ts';
import { HanseError } from '../../model/error.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { ActingChange } from '../../model/records/directory.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions } from '../common-options.ts';
import { type DirectorySourceOptions, readDirectory } from '../directory-source.ts';
import { type Answer, askStatuses } from '../master-answers.ts';
import { asOperator } from '../operator-session.ts';
import { formatDuration, formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable, printable } from '../output/table.ts';

/** A master as the directory and the masters themselves have it. */
interface ListedMaster {
  readonly name: MasterName;
  readonly control: string;
  readonly actsFor: readonly SubsetName[];
  /** That it serves and that another acts for; its own ones among them while that is so. */
  readonly backsUp: readonly SubsetName[];
  readonly drainedSinceMs?: number;
  /** The last time that it came to act for a subset that another one had. */
  readonly lastFailover?: {
    readonly subset: SubsetName;
    readonly change: ActingChange;
    readonly atMs: number;
  };
  /** Absent when no master could be asked. */
  readonly isAlive?: boolean;
  /** When it started; or, for one that is not alive, since when others do not hear it. */
  readonly sinceMs?: number;
  /** Why it gave no answer. */
  readonly error?: string;
}

/** What became of asking the masters how they are. */
interface Statuses {
  readonly answers: readonly Answer<MasterStatus>[];
  /** Why none could be asked. */
  readonly problem?: string;
  /** Whether that was for want of any that can be reached. */
  readonly areAway?: boolean;
}

export async function listMasters(
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const directory = await readDirectory(options, signal);
  const asked = await statusesOf(directory, options, signal);
  const masters = directory.masters.map((master) => listed(master, directory, asked));
  if (options.json) {
    writeJson(terminal.out, { masters });
    return;
  }
  terminal.out.write(formatTable(columns(Date.now()), masters));
  for (const { name, error } of masters) {
    if (error !== undefined) terminal.out.write(`${name} gave no answer: ${printable(error)}\n`);
  }
  if (asked.problem !== undefined) terminal.err.write(`hanse: ${asked.problem}\n`);
}

/** Nobody has to run, and nobody here has to be an operator, for the rest of the list to be shown. */
async function statusesOf(
  directory: DirectoryView,
  options: DirectorySourceOptions,
  signal: AbortSignal,
): Promise<Statuses> {
  if (directory.masters.length === 0) return { answers: [] };
  try {
    const answers = await asOperator(options, async (client) => {
      // One that answers is found once, and not by each of the questions.
      const { masters } = await client.directory(signal);
      return askStatuses(
        client,
        masters.map(({ name }) => name),
        signal,
      );
    });
    return { answers };
  } catch (error) {
    if (signal.aborted || !(error instanceof HanseError)) throw error;
    return { answers: [], problem: error.message, areAway: error.retryable };
  }
}

function listed(
  { name, control, drainedSinceMs }: DirectoryView['masters'][number],
  { subsets }: DirectoryView,
  asked: Statuses,
): ListedMaster {
  const acts = subsets.filter(({ acting }) => acting === name);
  const backsUp = subsets.filter(
    ({ acting, home, backups }) => acting !== name && (home === name || backups.includes(name)),
  );
  const failover = lastFailover(acts);
  return {
    name,
    control,
    actsFor: acts.map((subset) => subset.name),
    backsUp: backsUp.map((subset) => subset.name),
    ...(drainedSinceMs === undefined ? {} : { drainedSinceMs }),
    ...(failover ? { lastFailover: failover } : {}),
    ...liveness(name, asked),
  };
}

function lastFailover(acts: DirectoryView['subsets']): ListedMaster['lastFailover'] {
  const [latest] = acts
    .flatMap(({ name: subset, change, actingSinceMs: atMs }) =>
      change === undefined || change === 'started' || atMs === undefined
        ? []
        : [{ subset, change, atMs }],
    )
    .sort((one, other) => other.atMs - one.atMs);
  return latest;
}

function liveness(
  name: MasterName,
  { answers, areAway }: Statuses,
): Pick<ListedMaster, 'isAlive' | 'sinceMs' | 'error'> {
  const answer = answers.find((candidate) => candidate.name === name);
  if (!answer) return areAway ? { isAlive: false } : {};
  if ('reply' in answer) return { isAlive: true, sinceMs: answer.reply.startedAtMs };
  const deaths = answers.flatMap((other) => {
    const seen =
      'reply' in other ? other.reply.masters.find((one) => one.name === name) : undefined;
    return seen?.isAlive === false && seen.sinceMs !== undefined ? [seen.sinceMs] : [];
  });
  const sinceMs = deaths.length === 0 ? {} : { sinceMs: Math.min(...deaths) };
  return { isAlive: false, ...sinceMs, error: answer.error };
}

function columns(nowMs: number): readonly Column<ListedMaster>[] {
  return [
    { heading: 'MASTER', cell: ({ name }) => name },
    { heading: 'CONTROL', cell: ({ control }) => control },
    { heading: 'ALIVE', cell: (master) => describeLife(master, nowMs) },
    { heading: 'DRAINED', cell: ({ drainedSinceMs }) => since(drainedSinceMs, nowMs) },
    { heading: 'ACTS FOR', cell: ({ actsFor }) => actsFor.join(', ') || '-' },
    { heading: 'BACKS UP', cell: ({ backsUp }) => backsUp.join(', ') || '-' },
    { heading: 'LAST FAILOVER', cell: (master) => describeFailover(master, nowMs) },
  ];
}

function describeLife({ isAlive, sinceMs }: ListedMaster, nowMs: number): string {
  if (isAlive === undefined) return '?';
  const word = isAlive ? 'yes' : 'NO';
  return sinceMs === undefined ? word : `${word}, ${formatDuration(nowMs - sinceMs)}`;
}

function since(atMs: number | undefined, nowMs: number): string {
  return atMs === undefined ? '-' : formatDuration(nowMs - atMs);
}

function describeFailover({ lastFailover: last }: ListedMaster, nowMs: number): string {
  return last ? `${last.change} ${last.subset} ${formatRelative(last.atMs, nowMs)}` : '-';
}
