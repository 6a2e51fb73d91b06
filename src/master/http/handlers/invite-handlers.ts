import type { ReplyOf, RequestOf } from '../../../api/endpoint-definition.ts';
import type {
  createInvite as createInviteEndpoint,
  InviteView,
} from '../../../api/invite-endpoints.ts';
import type {
  createPlacedInvite as placedInvite,
  releasePlace as releaseEndpoint,
} from '../../../api/placing-endpoints.ts';
import type { OperatorName } from '../../../model/names.ts';
import type { InviteRecord } from '../../../model/records/roll.ts';
import { rootFingerprint } from '../../../trust/certificate-check.ts';
import { createInviteToken } from '../../../trust/invite-token.ts';
import { controlContacts } from '../../control-contacts.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import type { KnownCaller } from '../../session/membership-gate.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import type { InviteRequest, PlacedInvite } from '../../subset/invites.ts';
import type { ReleaseResult } from '../../subset/placements.ts';
import type { SubsetKeeper } from '../../subset/subset-keeper.ts';
import type { OperatorAccess } from '../operator-access.ts';

export interface ReleaseDependencies {
  readonly subsets: SubsetKeeper;
  readonly access: OperatorAccess;
  readonly directory: Directory;
}

/** Makes an invite durable and signs its token. */
export async function createInvite(
  subset: ActingSubset,
  directory: Directory,
  request: InviteRequest,
): Promise<ReplyOf<typeof createInviteEndpoint>> {
  const invite = await subset.invites.create(request);
  const token = await signToken(invite, subset, directory);
  const { id, expiresAtMs, uses, identityKey } = invite;
  return { id, token, expiresAtMs, uses, ...(identityKey ? { identityKey } : {}) };
}

/** The same of an invite that placement decides, in one of its subsets; there is a token at its home only. */
export async function createPlacedInvite(
  subset: ActingSubset,
  directory: Directory,
  request: InviteRequest & { readonly placed: PlacedInvite },
): Promise<ReplyOf<typeof placedInvite>> {
  const { home, candidates } = request.placed;
  if (subset.state.subset !== home && !candidates.includes(subset.state.subset)) {
    throw new MasterError(`${subset.state.subset} is neither the home subset nor a candidate`, {
      code: 'refused',
      fields: { reason: 'no-candidate' },
    });
  }
  const invite = await subset.invites.create(request);
  const { id, expiresAtMs, uses } = invite;
  if (subset.state.subset !== home) return { id, expiresAtMs, uses };
  return { id, expiresAtMs, uses, token: await signToken(invite, subset, directory) };
}

/** For the home subset of the invite, and no other: only its masters give places back. */
export async function releasePlace(
  { subset, id }: RequestOf<typeof releaseEndpoint>['params'],
  given: RequestOf<typeof releaseEndpoint>['body'],
  caller: KnownCaller,
  { subsets, access, directory }: ReleaseDependencies,
): Promise<ReleaseResult> {
  const { state, placements } = subsets.require(subset);
  const home = state.roll.findInvite(id)?.invite.placedBy;
  // Nobody can join by an invite that is not there.
  if (home === undefined) return 'released';
  access.requireServing(caller, home, directory);
  return placements.release({ ...given, inviteId: id });
}

/** @throws MasterError `not-permitted` */
export function requireOperator({ identity }: KnownCaller): OperatorName {
  if (identity.kind === 'operator') return identity.name;
  throw new MasterError('only operators invite', { code: 'not-permitted' });
}

function signToken(
  { id, expiresAtMs, memberName, placedBy }: InviteRecord,
  { state, authorities }: ActingSubset,
  directory: Directory,
): Promise<string> {
  return createInviteToken(
    {
      inviteId: id,
      expiresAtMs,
      rootFingerprint: rootFingerprint(directory.vpn.rootCertificate),
      control: controlContacts(state.subset, directory),
      ...(placedBy === undefined ? {} : { isPlaced: true }),
      ...(memberName ? { memberName } : {}),
    },
    authorities.issuer,
  );
}

export function describeInvites(subset: ActingSubset): InviteView[] {
  return subset.state.roll
    .invites()
    .map(({ invite, uses, counted }) => ({
      id: invite.id,
      uses: invite.uses,
      used: invite.candidates ? counted : uses.size,
      expiresAtMs: invite.expiresAtMs,
      ...(invite.memberName ? { memberName: invite.memberName } : {}),
      ...(invite.identityKey ? { identityKey: invite.identityKey } : {}),
      ...(invite.placedBy ? { placedBy: invite.placedBy } : {}),
      ...(invite.candidates ? { candidates: [...invite.candidates] } : {}),
      createdBy: invite.createdBy,
    }))
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
}
