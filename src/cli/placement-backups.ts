import type { DirectoryView } from '../api/directory-endpoints.ts';
import { type BackupPlan, planBackups } from '../core/placement/backup-plan.ts';
import type { PlacementPolicy } from '../core/placement/policy.ts';
import type { AsPathLength } from '../core/placement/system-paths.ts';
import type { MasterName } from '../model/names.ts';
import { memberFactsOf, worldOf } from './placement-facts.ts';
import type { MeasuredMember } from './placement-moving.ts';
import type { SubsetView } from './subset-lookup.ts';

export interface SubsetBackups extends BackupPlan {
  /** What makes it so; absent where nothing has to be done, or nobody is left to be a backup. */
  readonly command?: string;
  /** The master that acts for it now and would be none of its masters: it has to give it back before. */
  readonly actsMeanwhile?: MasterName;
}

/** What backups a policy would give each subset. @param members of these subsets, with their measurements */
export function planBackupsOf(
  subsets: readonly SubsetView[],
  members: readonly MeasuredMember[],
  directory: Pick<DirectoryView, 'masters' | 'subsets'>,
  policy: PlacementPolicy,
  asPathLength?: AsPathLength,
): readonly SubsetBackups[] {
  const world = worldOf(directory, new Map());
  const rolls = Map.groupBy(members, ({ subset }) => subset);
  return subsets.map(({ name, home, acting, backups }) => {
    const { measured = [], unmeasured = [] } = Object.groupBy(rolls.get(name) ?? [], (member) =>
      member.measured?.report ? 'measured' : 'unmeasured',
    );
    const plan = planBackups(
      {
        ...{ name, home, backups },
        measured: measured.map((member) => memberFactsOf(member, asPathLength)),
        unmeasured: unmeasured.map((member) => memberFactsOf(member)),
      },
      world,
      policy,
    );
    const { planned, reason } = plan;
    const isToDo = planned.length > 0 && reason !== 'stays' && reason !== 'unknown';
    const isServing = acting === home || planned.includes(acting);
    return {
      ...plan,
      ...(isToDo ? { command: `hanse subset backups ${name} --set ${planned.join(',')}` } : {}),
      ...(isToDo && !isServing ? { actsMeanwhile: acting } : {}),
    };
  });
}
