import { join } from 'node:path';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { callLocal } from '../../../src/api/client/local-client.ts';
import {
  localStatus,
  type MembershipStatus,
  type SessionState,
} from '../../../src/api/member-local.ts';
import { until } from '../until.ts';

/** Long, because reconnecting waits up to 15 s between attempts, and the machine may be busy. */
const sessionDeadlineMs = 90_000;

/** What the member's daemon says of its membership; undefined while no daemon answers. */
export async function readMembership(member: LabMember): Promise<MembershipStatus | undefined> {
  try {
    const { memberships } = await callLocal(
      join(member.directory, 'member', 'member.sock'),
      localStatus,
      undefined,
    );
    return memberships.find(({ subset }) => subset === member.subset);
  } catch {
    // Not started yet, or just killed.
    return undefined;
  }
}

/** Resolves when the membership's session is in the state. */
export async function untilSession(
  member: LabMember,
  state: SessionState,
): Promise<MembershipStatus> {
  return until(
    `the session of ${member.reference} is ${state}`,
    async () => {
      const membership = await readMembership(member);
      return membership?.session.state === state && membership;
    },
    sessionDeadlineMs,
  );
}

/** Resolves when packets go through the tunnel that the member's traffic takes, and back. */
export async function untilTunnel(member: LabMember): Promise<void> {
  await until(
    `a master's tunnel of ${member.reference} is alive`,
    async () => {
      const { masters = [] } = (await readMembership(member)) ?? {};
      return masters.some(({ path }) => path?.inUse && path.isAlive && path.isProven);
    },
    sessionDeadlineMs,
  );
}
