import type { MemberName, SubsetName } from '../../../model/names.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { verifyChain } from '../../../trust/certificate-check.ts';
import { TrustError } from '../../../trust/trust-error.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';

/**
 * Notes that a member is in another subset too. Another master says so, and is not believed: the
 * certificate must lead to the root and carry the member's own key.
 * @throws MasterError `refused` when the chain does not hold or is somebody else's
 */
export async function recordAlsoIn(
  subset: ActingSubset,
  claim: { readonly name: MemberName; readonly chain: readonly string[] },
  dependencies: { readonly directory: Directory; readonly clock: Clock },
): Promise<void> {
  const { vpn } = dependencies.directory;
  const { identity, publicKeySpkiSha256 } = await verifyChain({
    chain: claim.chain,
    root: vpn.rootCertificate,
    nowMs: dependencies.clock.nowMs(),
    expected: 'member',
  }).catch(refuseChain);
  const member = subset.state.requireMember(claim.name);
  if (identity.kind !== 'member' || publicKeySpkiSha256 !== member.identityKey) {
    throw new MasterError(`the certificate is not of ${member.name}: its key is another`, {
      code: 'refused',
      fields: { member: member.name },
    });
  }
  const other: SubsetName = identity.subset;
  if (other !== subset.state.subset) await subset.renewals.noteAlsoIn(member.name, other);
}

function refuseChain(error: unknown): never {
  if (!(error instanceof TrustError)) throw error;
  throw new MasterError(`the certificate proves nothing: ${error.message}`, {
    code: 'refused',
    fields: { reason: error.code },
    cause: error,
  });
}
