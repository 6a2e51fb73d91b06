import type { MemberName } from '../../../model/names.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import { otherSubsetOf, type ProofDependencies } from '../../subset/membership-proof.ts';

/**
 * Notes that a member is in another subset too. Another master says so, and is not believed: the
 * certificate must lead to the root and carry the member's own key.
 * @throws MasterError `refused` when the chain does not hold or is somebody else's
 */
export async function recordAlsoIn(
  subset: ActingSubset,
  claim: { readonly name: MemberName; readonly chain: readonly string[] },
  dependencies: ProofDependencies,
): Promise<void> {
  const member = subset.state.requireMember(claim.name);
  const other = await otherSubsetOf(member, claim.chain, dependencies);
  if (other) await subset.renewals.noteAlsoIn(member.name, other);
}
