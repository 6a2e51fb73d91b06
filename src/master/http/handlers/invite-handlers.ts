import type { InviteView } from '../../../api/endpoints.ts';
import type { MemberName, OperatorName } from '../../../model/names.ts';
import { rootFingerprint } from '../../../trust/certificate-check.ts';
import { createInviteToken, type InviteClaims } from '../../../trust/invite-token.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';

export interface InviteCreation {
  readonly uses: number;
  readonly lifetimeMs: number;
  readonly memberName?: MemberName | undefined;
  readonly createdBy: OperatorName;
}

/** Makes an invite durable and signs its token. */
export async function createInvite(
  subset: ActingSubset,
  directory: Directory,
  creation: InviteCreation,
): Promise<{ id: string; token: string; expiresAtMs: number; uses: number }> {
  const { id, expiresAtMs, uses, memberName } = await subset.invites.create(creation);
  const token = await createInviteToken(
    {
      inviteId: id,
      expiresAtMs,
      rootFingerprint: rootFingerprint(directory.vpn.rootCertificate),
      control: contactsOf(subset, directory),
      ...(memberName ? { memberName } : {}),
    },
    subset.authorities.issuer,
  );
  return { id, token, expiresAtMs, uses };
}

/** Where a newcomer may ask: the acting master first. @throws MasterError `not-acting` before the directory has it */
function contactsOf({ state }: ActingSubset, directory: Directory): InviteClaims['control'] {
  const { masters } = directory;
  const acting = directory.actingNow(state.subset) ?? state.record.acting;
  const serving = [state.record.acting, ...state.record.backups];
  const inOrder = [acting, ...serving.filter((name) => name !== acting)];
  const [first, ...others] = inOrder.flatMap((name) => {
    const known = masters.get(name);
    return known ? [{ master: name, endpoint: known.record.control }] : [];
  });
  if (first) return [first, ...others];
  throw new MasterError(`the directory has no valid record of ${acting}`, {
    code: 'not-acting',
    retryable: true,
  });
}

export function describeInvites(subset: ActingSubset): InviteView[] {
  return subset.state.roll
    .invites()
    .map(({ invite, uses }) => ({
      id: invite.id,
      uses: invite.uses,
      used: uses.size,
      expiresAtMs: invite.expiresAtMs,
      ...(invite.memberName ? { memberName: invite.memberName } : {}),
      createdBy: invite.createdBy,
    }))
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
}
