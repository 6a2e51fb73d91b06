import type { BackupReason, ExcludedBackup } from '../../core/placement/backup-plan.ts';
import type { RankedBackup } from '../../core/placement/backups.ts';
import { describeExclusion } from '../../core/placement/exclusion.ts';
import type { SubsetBackups } from '../placement-backups.ts';
import { formatPoints } from './placement-words.ts';
import { type Column, formatFields, formatTable } from './table.ts';

/** What each subset has and should have, and the commands that make it so. */
export function formatBackups(subsets: readonly SubsetBackups[]): string {
  const commands = subsets.flatMap(commandLines);
  const head = commands.length === 0 ? '' : `\n${commands.join('\n')}\n`;
  return `${formatTable(columns, subsets)}${head}`;
}

/** The same for one subset, with every master and what keeps one from being a backup. */
export function formatSubsetBackups(plan: SubsetBackups): string {
  const fields = formatFields([
    ['subset', plan.subset],
    ['home', plan.home],
    ['members', describeMembers(plan)],
    ['backups now', listMasters(plan.now)],
    ['planned', `${listMasters(plan.planned)}: ${words[plan.reason]}`],
  ]);
  const ranking = plan.ranking.length === 0 ? '' : `\n${formatTable(rankedColumns, plan.ranking)}`;
  const excluded = plan.excluded.map((one) => `\n${formatExcluded(one)}`).join('');
  const commands = commandLines(plan).map((line) => `\n${line}\n`);
  return `${fields}${ranking}${excluded}${commands.join('')}`;
}

const words: Readonly<Record<BackupReason, string>> = {
  excluded: 'one that it has may not be one',
  number: 'as many as the policy wants, or as there are',
  better: 'better by the hysteresis',
  stays: 'nothing is better by the hysteresis',
  unknown: 'nobody has measured anything',
};

const listMasters = (masters: readonly string[]): string => masters.join(', ') || 'none';

function describeMembers({ members, measured }: SubsetBackups): string {
  return measured === members ? String(members) : `${members}, ${measured} of them have measured`;
}

function commandLines({ home, command, actsMeanwhile }: SubsetBackups): readonly string[] {
  if (command === undefined) return [];
  if (actsMeanwhile === undefined) return [command];
  return [`hanse master return ${home}    # ${actsMeanwhile} acts for it meanwhile`, command];
}

function formatExcluded({ master, because }: ExcludedBackup): string {
  const lines = because.map(
    ({ exclusion, members }) =>
      `  ${describeExclusion(exclusion)} (${members} ${members === 1 ? 'member' : 'members'})\n`,
  );
  return `${master}: excluded\n${lines.join('')}`;
}

const columns: readonly Column<SubsetBackups>[] = [
  { heading: 'SUBSET', cell: ({ subset }) => subset },
  { heading: 'HOME', cell: ({ home }) => home },
  { heading: 'BACKUPS NOW', cell: ({ now }) => listMasters(now) },
  { heading: 'PLANNED', cell: ({ planned }) => listMasters(planned) },
  { heading: 'WHY', cell: ({ reason }) => reason },
  { heading: 'MEMBERS', cell: ({ members }) => String(members), align: 'right' },
  { heading: 'MEASURED', cell: ({ measured }) => String(measured), align: 'right' },
];

const rankedColumns: readonly Column<RankedBackup>[] = [
  { heading: 'MASTER', cell: ({ master }) => master },
  { heading: 'SCORE', cell: ({ score }) => formatPoints(score), align: 'right' },
  { heading: 'SHARES', cell: ({ shares }) => shares.join(', ') || '-' },
  { heading: 'OUT OF REACH', cell: ({ unreached }) => String(unreached), align: 'right' },
  { heading: 'TOTAL', cell: ({ total }) => formatPoints(total), align: 'right' },
];
