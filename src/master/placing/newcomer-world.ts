import type { MasterFacts, SubsetFacts, World } from '../../core/placement/facts.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Directory } from '../directory/directory.ts';

/**
 * The candidates, and the masters that serve them, as the directory has them. How many members other masters act for is not known
 * here, and need not be: a full one says so to whoever is placed there.
 */
export function newcomerWorld(
  candidates: readonly SubsetName[],
  directory: Directory,
  own: { readonly master: MasterName; readonly members: number },
): World {
  const subsets = candidates.flatMap((name): SubsetFacts[] => {
    const serving = directory.servingMasters(name);
    if (!serving) return [];
    const { acting, home, backups } = serving;
    const others = [home, ...backups].filter((master) => master !== acting);
    const region = directory.subsets.get(name)?.record.region;
    return [{ name, acting, backups: [...new Set(others)], region }];
  });
  const serving = new Set(subsets.flatMap(({ acting, backups }) => [acting, ...backups]));
  const masters = directory
    .masterRecords()
    .filter(({ name }) => serving.has(name))
    .map(
      ({ name }): MasterFacts => ({
        name,
        members: name === own.master ? own.members : 0,
        isDraining: directory.drains.has(name),
      }),
    );
  return { masters, subsets };
}
