import type { MasterName } from '../../model/names.ts';
import type { MemberFacts } from './facts.ts';
import type { PlacementPolicy } from './policy.ts';
import type { SystemGraph } from './system-graph.ts';

/** A member as far as paths between systems go. */
export interface LocatedMember extends Pick<MemberFacts, 'name' | 'namesItself'> {
  /** The autonomous system of the address that its session comes from. */
  readonly system?: number | undefined;
}

/** How many links between autonomous systems there are from a member to a master; undefined where nobody knows. */
export type AsPathLength = (member: LocatedMember, master: MasterName) => number | undefined;

/** By the systems that a policy declares, and where it says nothing of a member, that of its session's address. */
export function asPathLengths(
  graph: SystemGraph,
  { places: { masters, members } }: Pick<PlacementPolicy, 'places'>,
): AsPathLength {
  const declared = new Map(Object.entries(members));
  const declaredMasters = new Map(Object.entries(masters));
  return ({ name, namesItself, system }, master) => {
    const from = (namesItself ? undefined : declared.get(name)?.system) ?? system;
    const to = declaredMasters.get(master)?.system;
    // From the master: there are fewer of them, and what is known of each is kept.
    return from === undefined || to === undefined ? undefined : graph.distance(to, from);
  };
}

/** The systems of masters, each once, as far as the policy goes by them at all. */
export function systemsOfMasters({
  criteria: { asPathLength },
  places: { masters },
}: Pick<PlacementPolicy, 'criteria' | 'places'>): ReadonlySet<number> {
  if (asPathLength.weight === 0 && asPathLength.atMost === undefined) return new Set();
  return new Set(Object.values(masters).flatMap(({ system }) => system ?? []));
}
