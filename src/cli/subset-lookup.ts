import type { DirectoryView } from '../api/directory-endpoints.ts';
import { parseSubsetName } from '../model/names.ts';
import { CliError } from './cli-error.ts';

export type SubsetView = DirectoryView['subsets'][number];

/** @throws InvalidInputError when it is no name; CliError `unknown-subset` */
export function requireSubset({ subsets }: DirectoryView, text: string): SubsetView {
  const wanted = parseSubsetName(text);
  const found = subsets.find(({ name }) => name === wanted);
  if (found) return found;
  const known = subsets.map(({ name }) => name).join(', ') || 'none yet';
  throw new CliError(`there is no subset ${wanted}; the VPN has: ${known}`, {
    code: 'unknown-subset',
    fields: { name: wanted },
  });
}

/** The one that is named, or all. @throws as `requireSubset` */
export function subsetsToList(
  directory: DirectoryView,
  name: string | undefined,
): readonly SubsetView[] {
  return name === undefined ? directory.subsets : [requireSubset(directory, name)];
}
