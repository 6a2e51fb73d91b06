import type { MoveReport } from '../../api/move-messages.ts';
import type { MemberName } from '../../model/names.ts';
import type { ActingSubset } from './acting-subset.ts';
import { otherSubsetOf, type ProofDependencies } from './membership-proof.ts';

/**
 * Records what has become of a member's order.
 * @throws MasterError `refused` when the chain does not prove that the member is in another subset
 */
export async function recordMove(
  subset: ActingSubset,
  { name, report }: { readonly name: MemberName; readonly report: MoveReport },
  dependencies: ProofDependencies,
): Promise<void> {
  if (report.type === 'not-moved') {
    await subset.moves.fail(name, report);
    return;
  }
  const { chain } = report;
  const to = await otherSubsetOf(subset.state.requireMember(name), chain, dependencies);
  if (!to) return;
  await subset.renewals.noteAlsoIn(name, to);
  await subset.moves.finish(name, to);
}
