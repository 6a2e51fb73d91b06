import type { DirectoryView } from '../../api/endpoints.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions } from '../common-options.ts';
import { type DirectorySourceOptions, readDirectory } from '../directory-source.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';

type MasterView = DirectoryView['masters'][number];
type SubsetView = DirectoryView['subsets'][number];

export async function listMasters(
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const directory = await readDirectory(options, signal);
  const { masters } = directory;
  if (options.json) writeJson(terminal.out, { masters });
  else terminal.out.write(formatTable(masterColumns(directory), masters));
}

export async function listSubsets(
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { subsets } = await readDirectory(options, signal);
  if (options.json) writeJson(terminal.out, { subsets });
  else terminal.out.write(formatTable(subsetColumns, subsets));
}

function masterColumns({ subsets }: DirectoryView): readonly Column<MasterView>[] {
  const names = (of: (subset: SubsetView) => boolean) =>
    subsets
      .filter(of)
      .map(({ name }) => name)
      .join(', ') || '-';
  return [
    { heading: 'MASTER', cell: ({ name }) => name },
    { heading: 'CONTROL', cell: ({ control }) => control },
    { heading: 'ACTS FOR', cell: ({ name }) => names(({ acting }) => acting === name) },
    { heading: 'BACKS UP', cell: ({ name }) => names(({ backups }) => backups.includes(name)) },
  ];
}

const subsetColumns: readonly Column<SubsetView>[] = [
  { heading: 'SUBSET', cell: ({ name }) => name },
  { heading: 'ACTING', cell: ({ acting }) => acting },
  { heading: 'BACKUPS', cell: ({ backups }) => backups.join(', ') || '-' },
  { heading: 'BLOCKS', cell: ({ blocks }) => blocks.join(', ') },
];
