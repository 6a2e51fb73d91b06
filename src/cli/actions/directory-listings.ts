import type { CommandContext } from '../command-context.ts';
import type { ListingOptions } from '../common-options.ts';
import { type DirectorySourceOptions, readDirectory } from '../directory-source.ts';
import { formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatFields, formatTable } from '../output/table.ts';
import { requireSubset, type SubsetView } from '../subset-lookup.ts';

export async function listSubsets(
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { subsets } = await readDirectory(options, signal);
  if (options.json) writeJson(terminal.out, { subsets });
  else terminal.out.write(formatTable(subsetColumns, subsets));
}

export async function showSubset(
  name: string,
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const subset = requireSubset(await readDirectory(options, signal), name);
  if (options.json) {
    writeJson(terminal.out, subset);
    return;
  }
  terminal.out.write(formatFields(subsetFields(subset, Date.now())));
  terminal.out.write(`\n${formatTable(blockColumns, subset.blocks)}`);
}

export async function showBackups(
  name: string,
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const subset = requireSubset(await readDirectory(options, signal), name);
  const { name: subsetName, home, acting, backups, blocks } = subset;
  if (options.json) writeJson(terminal.out, { subset: subsetName, home, acting, backups, blocks });
  else terminal.out.write(formatTable(blockColumns, blocks));
}

const subsetColumns: readonly Column<SubsetView>[] = [
  { heading: 'SUBSET', cell: ({ name }) => name },
  { heading: 'ACTING', cell: describeActing },
  { heading: 'BACKUPS', cell: ({ backups }) => backups.join(', ') || '-' },
  { heading: 'REGION', cell: ({ region }) => region ?? '-' },
  {
    heading: 'BLOCKS',
    cell: ({ blocks }) => blocks.flatMap(({ prefixes }) => prefixes).join(', '),
  },
];

const blockColumns: readonly Column<SubsetView['blocks'][number]>[] = [
  { heading: 'BLOCK', cell: ({ prefixes }) => prefixes.join(', ') },
  { heading: 'MASTERS IN THEIR ORDER', cell: ({ order }) => order.join(', ') },
];

function describeActing({ acting, home }: SubsetView): string {
  return acting === home ? acting : `${acting} (home ${home})`;
}

function subsetFields(
  { name, home, acting, actingSinceMs, change, backups, region }: SubsetView,
  nowMs: number,
): readonly (readonly [string, string | undefined])[] {
  const since = actingSinceMs === undefined ? undefined : formatRelative(actingSinceMs, nowMs);
  return [
    ['subset', name],
    ['acting', since === undefined ? acting : `${acting}, ${change} ${since}`],
    ['home', home],
    ['backups', backups.join(', ') || 'none'],
    ['region', region ?? "none: its roll is in the directory's store"],
  ];
}
