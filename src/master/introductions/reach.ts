import type { MemberReach } from '../../api/path-endpoints.ts';
import type { Sightings } from './meetings.ts';
import type { Acquainted } from './presentation.ts';

/** How the member's direct interface is reached, as far as is known here; undefined when it takes no direct paths. */
export function reachOf(
  { member, session }: Acquainted,
  sightings: Sightings,
): MemberReach | undefined {
  const contact = session?.direct.contact;
  if (!contact) return undefined;
  const { addresses, port } = contact;
  return { observed: sightings.get(member.keys.acting), addresses, port };
}
