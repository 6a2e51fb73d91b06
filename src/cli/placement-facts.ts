import type { DirectoryView } from '../api/directory-endpoints.ts';
import type { MemberView } from '../api/member-endpoints.ts';
import { measurementsOf, placeOf } from '../api/placement-evidence.ts';
import type { MemberFacts, World } from '../core/placement/facts.ts';
import type { AsPathLength } from '../core/placement/system-paths.ts';
import { bytesPerDayOf } from '../core/traffic-count.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { servingMasters } from './member-sightings.ts';

/** What placement knows of masters and subsets. @param counts members by subset; 0 where it is absent */
export function worldOf(
  { masters, subsets }: Pick<DirectoryView, 'masters' | 'subsets'>,
  counts: ReadonlyMap<SubsetName, number>,
): World {
  return {
    masters: masters.map(({ name, drainedSinceMs }) => ({
      name,
      members: subsets
        .filter(({ acting }) => acting === name)
        .reduce((sum, subset) => sum + (counts.get(subset.name) ?? 0), 0),
      isDraining: drainedSinceMs !== undefined,
    })),
    subsets: subsets.map((subset) => ({
      name: subset.name,
      acting: subset.acting,
      backups: servingMasters(subset).filter((master) => master !== subset.acting),
      region: subset.region,
    })),
  };
}

/** What placement knows of a member: what it reported last, and where its session comes from. */
export function memberFactsOf(
  member: Pick<MemberView, 'name' | 'subset' | 'isNamedByInvite' | 'measured' | 'traffic'>,
  asPathLength?: AsPathLength,
): MemberFacts {
  const { name, subset, isNamedByInvite, measured, traffic } = member;
  const named = { name, ...(isNamedByInvite ? {} : { namesItself: true }) };
  const located = { ...named, system: measured?.system };
  const lengthTo = asPathLength && ((master: MasterName) => asPathLength(located, master));
  return {
    ...named,
    subset,
    place: placeOf(measured?.place),
    bytesPerDay: traffic && bytesPerDayOf(traffic),
    measurements: measurementsOf(measured?.report?.masters ?? [], lengthTo),
  };
}
