import type { MembershipStatus } from '../api/member-local.ts';
import { MemberDirectory } from './member-directory.ts';
import { endedStatus } from './member-status.ts';

/**
 * What the disk says of memberships that are over, for when no daemon runs that could. Changes
 * nothing; an empty list also when there is no such directory.
 * @throws MemberError `corrupt-state`
 */
export async function readEndedMemberships(
  directory: string,
): Promise<readonly MembershipStatus[]> {
  const memberships = await new MemberDirectory(directory).memberships();
  const stored = await Promise.all(
    memberships.map(async (files) => ({ name: files.name, at: await files.read() })),
  );
  return stored.flatMap(({ name, at }) => (at.kind === 'ended' ? [endedStatus(name, at)] : []));
}
