import type { SubsetName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { Clock } from '../runtime/clock.ts';
import { type InviteClaims, readInviteToken, verifyInviteToken } from '../trust/invite-token.ts';
import {
  type PlacementClaim,
  type SignedClaim,
  verifyPlacementClaim,
} from '../trust/placement-claim.ts';
import { TrustError } from '../trust/trust-error.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';
import { SessionRefusal } from './session/membership-gate.ts';
import type { ActingSubset } from './subset/acting-subset.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';

export interface PresentedInviteDependencies {
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly clock: Clock;
}

/**
 * What a token says, and the subset whose authority has signed it. Whether the invite has ended is
 * the roll's to say: whoever was admitted before its end may present the token again when the answer
 * was lost.
 * @throws SessionRefusal `bad-token`, `wrong-master`
 */
export async function checkToken(
  token: string,
  { directory, subsets }: PresentedInviteDependencies,
): Promise<{ readonly subset: ActingSubset; readonly claims: InviteClaims }> {
  try {
    const beforeAnyEnd = { nowMs: 0 };
    const subset = requireActing(readInviteToken(token, beforeAnyEnd).subset, subsets);
    const claims = await verifyInviteToken(token, {
      vpn: directory.vpn.name,
      subset: subset.state.subset,
      authorities: subset.authorities.certificates,
      ...beforeAnyEnd,
    });
    return { subset, claims };
  } catch (error) {
    throw asRefusal(error, 'bad-token');
  }
}

/**
 * What a claim says, and the subset that it is for. Whether its time is over is asked with the roll.
 * @param identityKey of the node that presents it
 * @throws SessionRefusal `claim-refused`, `wrong-master`
 */
export async function checkClaim(
  text: string,
  identityKey: IdentityKey,
  { directory, subsets, clock }: PresentedInviteDependencies,
): Promise<{ readonly subset: ActingSubset; readonly claim: PlacementClaim }> {
  const { name: vpn, rootCertificate } = directory.vpn;
  try {
    const verification = { vpn, rootCertificate, nowMs: clock.nowMs() };
    const claim = await verifyPlacementClaim(text, verification);
    const subset = requireActing(claim.subset, subsets);
    requireServing(claim, directory);
    if (claim.identityKey === identityKey) return { subset, claim };
  } catch (error) {
    throw asRefusal(error, 'claim-refused');
  }
  throw new SessionRefusal('the claim is another node’s', { code: 'claim-refused' });
}

/**
 * A master that was taken from the home subset keeps an authority that leads to the root.
 * @throws SessionRefusal `claim-refused`
 */
function requireServing({ signer, home }: SignedClaim, directory: Directory): void {
  if (directory.isServing(signer, home)) return;
  throw new SessionRefusal(
    `the claim is signed by ${signer}, which does not serve ${home}: ask for another place`,
    { code: 'claim-refused' },
  );
}

function asRefusal(error: unknown, code: 'bad-token' | 'claim-refused'): unknown {
  if (!(error instanceof TrustError)) return error;
  return new SessionRefusal(error.message, { code, cause: error });
}

/** @throws SessionRefusal `wrong-master` */
function requireActing(name: SubsetName, subsets: SubsetKeeper): ActingSubset {
  try {
    return subsets.require(name);
  } catch (error) {
    throw asWrongMaster(error);
  }
}

/** Whoever asks the wrong master, or one that is about to be it, is to ask another one. */
export function asWrongMaster(error: unknown): unknown {
  if (!(error instanceof MasterError)) return error;
  if (error.code !== 'not-acting' && error.code !== 'no-such-subset') return error;
  return new SessionRefusal(error.message, { code: 'wrong-master', retryable: true, cause: error });
}
