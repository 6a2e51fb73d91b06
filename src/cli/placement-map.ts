import type { DirectoryView } from '../api/directory-endpoints.ts';
import type { MemberView } from '../api/member-endpoints.ts';
import type { Place } from '../core/placement/facts.ts';
import { coordinatesOf } from '../core/placement/great-circle.ts';
import type { MapFacts, MapPoint } from '../core/placement/map.ts';
import { PlaceBook } from '../core/placement/place-book.ts';
import type { PlacementPolicy } from '../core/placement/policy.ts';
import { memberFactsOf, worldOf } from './placement-facts.ts';

export type MappedMember = Pick<
  MemberView,
  'name' | 'subset' | 'isNamedByInvite' | 'acting' | 'measured'
>;

export interface PlacementMap {
  readonly facts: MapFacts;
  /** Masters and members, the latter as `NAME.SUBSET`, of which nobody knows where they are. */
  readonly nowhere: readonly string[];
}

/** Everybody whose place is known, declared or found, and each member's latency to its acting master. */
export function mapPlacement(
  members: readonly MappedMember[],
  directory: Pick<DirectoryView, 'vpn' | 'masters' | 'subsets'>,
  { places }: Pick<PlacementPolicy, 'places'>,
): PlacementMap {
  const { masters } = worldOf(directory, new Map());
  const book = new PlaceBook(masters, places);
  const mapped = members.map((member) => {
    const facts = memberFactsOf(member);
    const { latencyMs } = facts.measurements.get(member.acting) ?? {};
    const point = pointAt(member.name, book.ofMember(facts));
    return { member, point: point && { ...point, master: member.acting, latencyMs } };
  });
  const points = masters.map(({ name }) => ({
    name,
    point: pointAt(name, book.placeOfMaster(name)),
  }));
  return {
    facts: {
      title: directory.vpn.name,
      masters: points.flatMap(({ point }) => point ?? []),
      members: mapped.flatMap(({ point }) => point ?? []),
    },
    nowhere: [
      ...points.flatMap(({ name, point }) => (point ? [] : [name])),
      ...mapped.flatMap(({ member: { name, subset }, point }) =>
        point ? [] : [`${name}.${subset}`],
      ),
    ],
  };
}

function pointAt<Name extends string>(name: Name, place: Place): MapPoint<Name> | undefined {
  const coordinates = coordinatesOf(place);
  return coordinates && { name, ...coordinates };
}
