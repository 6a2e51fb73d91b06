import type { MemberName } from '../../../model/names.ts';
import type { MemberRecord } from '../../../model/records/roll.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { rootFingerprint } from '../../../trust/certificate-check.ts';
import { type InviteClaims, readInviteToken } from '../../../trust/invite-token.ts';
import { TrustError } from '../../../trust/trust-error.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';

interface MoveDependencies {
  readonly directory: Directory;
  readonly clock: Clock;
}

export interface MoveRequest {
  readonly name: MemberName;
  readonly token: string;
  readonly graceMs: number;
  readonly actor: string;
}

/**
 * Gives a member its order. Who signed the token only the masters of its own subset can tell: it is
 * read here, so that what cannot work is refused at once, and the member joins with it where it must prove itself.
 * @throws MasterError `refused` for a token that leads nowhere; as `Moves.order`
 */
export async function orderMove(
  subset: ActingSubset,
  { name, token, graceMs, actor }: MoveRequest,
  { directory, clock }: MoveDependencies,
): Promise<void> {
  const member = subset.state.requireActive(name);
  const claims = readToken(token, clock.nowMs());
  const problem = findProblem(claims, member, directory);
  if (problem) throw refuseToken(`this token moves nobody: ${problem}`);
  const { subset: to, inviteId, expiresAtMs } = claims;
  await subset.moves.order(name, { to, inviteId, token, graceMs, expiresAtMs, by: actor });
}

function findProblem(
  claims: InviteClaims,
  { name, subset }: MemberRecord,
  { vpn, subsets }: Directory,
): string | undefined {
  if (claims.vpn !== vpn.name || claims.rootFingerprint !== rootFingerprint(vpn.rootCertificate)) {
    return `it is for another VPN, ${claims.vpn}, than ${vpn.name} with the root certificate of this master`;
  }
  if (claims.isPlaced) return 'it leaves to placement where the member goes';
  if (claims.subset === subset) return `${name} is in ${subset} already`;
  if (!subsets.has(claims.subset)) return `there is no subset ${claims.subset}`;
  if (claims.memberName === name) return undefined;
  return `it is for ${claims.memberName ?? 'whatever name'}, and must name ${name}: a member keeps its name`;
}

function readToken(token: string, nowMs: number): InviteClaims {
  try {
    return readInviteToken(token, { nowMs });
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    throw refuseToken(error.message, error);
  }
}

function refuseToken(message: string, cause?: unknown): MasterError {
  return new MasterError(message, { code: 'refused', fields: { field: 'token' }, cause });
}
