import type { LabMember } from '../lab/vpn/lab-member.ts';
import type { LabVpn } from '../lab/vpn/lab-vpn.ts';

export interface JoinFigure {
  readonly member: string;
  readonly subset: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** From the start of the program to a configured tunnel. */
  readonly joinedAfterMs: number;
}

export interface JoinedMember {
  readonly member: LabMember;
  readonly figure: JoinFigure;
}

/** Joins one member with an invite of its own. */
export async function joinMember(vpn: LabVpn, host: string, subset: string): Promise<JoinedMember> {
  const token = await vpn.invite(subset);
  const startMs = performance.now();
  const member = await vpn.join(host, subset, { token });
  const { name, ipv4, ipv6 } = member;
  const joinedAfterMs = Math.round(performance.now() - startMs);
  return { member, figure: { member: name, subset, ipv4, ipv6, joinedAfterMs } };
}
