import type { SubsetName, VpnName } from '../model/names.ts';
import { MemberError } from './member-error.ts';

/** There is a membership of that VPN and subset. */
export function alreadyMember(membership: string): MemberError {
  return new MemberError(
    `this member is in ${membership} already, or is joining it: leave it first to join again`,
    { code: 'already-member', fields: { membership } },
  );
}

/** What is asked for needs a membership, and the join is not answered. */
export function stillJoining(membership: string): MemberError {
  return new MemberError(
    `no master has answered the join of ${membership} yet: wait for it, or leave with --force to give it up`,
    { code: 'not-connected', fields: { membership }, retryable: true },
  );
}

/** Why a join ends that its operator gives up. */
export function joinCancelled(membership: string): MemberError {
  return new MemberError(`the join of ${membership} was given up`, {
    code: 'join-refused',
    fields: { membership, refusal: 'cancelled' },
  });
}

export function isJoinCancelled(error: unknown): boolean {
  return error instanceof MemberError && error.fields['refusal'] === 'cancelled';
}

/** @param reasons why each place that there was did not work out */
export function noOtherPlace(vpn: VpnName, subset: SubsetName, reasons: string): MemberError {
  return new MemberError(
    `joining ${vpn} failed: the invite leads to ${subset} again, and to no place that takes this node; ${reasons}`,
    { code: 'join-refused', fields: { membership: vpn, refusal: 'no-place' } },
  );
}

/** @param vpn the name that both VPNs have */
export function otherVpn(membership: string, vpn: string): MemberError {
  return new MemberError(
    `the invite is for another VPN that is also called ${vpn}: its root certificate is not that of ${membership}. Use another directory for it`,
    { code: 'other-vpn', fields: { membership } },
  );
}

/** @param known the memberships that there are */
export function noMembership(name: string | undefined, known: readonly string[]): MemberError {
  const which = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  const problem =
    name === undefined ? 'say which membership is meant' : `this member has no membership ${name}`;
  return new MemberError(`${problem}: ${which}`, {
    code: 'no-membership',
    fields: { membership: name ?? '' },
  });
}

/** Nobody is there to hear that the member leaves. */
export function notConnected(membership: string): MemberError {
  return new MemberError(
    `no master has taken the departure of ${membership}: try again when its session is live, or only forget it here`,
    { code: 'not-connected', fields: { membership }, retryable: true },
  );
}

/** An order to move has run out: nobody takes its invite any more. */
export function moveTooLate(subset: SubsetName, expiresAtMs: number): MemberError {
  const ended = new Date(expiresAtMs).toISOString();
  return new MemberError(`${subset} was not reached before the order ended, at ${ended}`, {
    code: 'join-refused',
    fields: { membership: subset, refusal: 'token-expired' },
  });
}
