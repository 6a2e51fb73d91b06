import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import type { DirectPath, DirectState } from '../../../src/api/direct-messages.ts';
import { until } from '../until.ts';
import { readMembership } from './member-session.ts';

/** Long, because a pair that has failed is introduced again after half a minute, and the machine may be busy. */
const slowMs = 60_000;

/** What a member says of its direct path to another one of its subset; undefined while there is none. */
export async function directPathTo(
  member: LabMember,
  peer: LabMember,
): Promise<DirectPath | undefined> {
  return (await readMembership(member))?.direct.find(({ name }) => name === peer.name);
}

/** Resolves when both ends are in the state, with what each says. */
export function untilPaths(
  one: LabMember,
  other: LabMember,
  state: DirectState,
): Promise<[DirectPath, DirectPath]> {
  return Promise.all([untilPath(one, other, state), untilPath(other, one, state)]);
}

/** Resolves when the path is in the state. */
export function untilPath(
  member: LabMember,
  peer: LabMember,
  state: DirectState,
): Promise<DirectPath> {
  return until(
    `the path from ${member.name} to ${peer.name} is ${state}`,
    async () => {
      const path = await directPathTo(member, peer);
      return path?.state === state && path;
    },
    slowMs,
  );
}
