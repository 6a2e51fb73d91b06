import type { SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import { TrustError } from '../../trust/trust-error.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';

export interface ProofDependencies {
  readonly directory: Directory;
  readonly clock: Clock;
}

/**
 * The subset that the chain proves the member to be in; undefined when it is the one that is known.
 * @throws MasterError `refused` when the chain does not hold or is somebody else's
 */
export async function otherSubsetOf(
  member: MemberRecord,
  chain: readonly string[],
  { directory, clock }: ProofDependencies,
): Promise<SubsetName | undefined> {
  const { identity, publicKeySpkiSha256 } = await verifyChain({
    chain,
    root: directory.vpn.rootCertificate,
    nowMs: clock.nowMs(),
    expected: 'member',
  }).catch(refuseChain);
  if (identity.kind !== 'member' || publicKeySpkiSha256 !== member.identityKey) {
    throw new MasterError(`the certificate is not of ${member.name}: its key is another`, {
      code: 'refused',
      fields: { member: member.name },
    });
  }
  return identity.subset === member.subset ? undefined : identity.subset;
}

function refuseChain(error: unknown): never {
  if (!(error instanceof TrustError)) throw error;
  throw new MasterError(`the certificate proves nothing: ${error.message}`, {
    code: 'refused',
    fields: { reason: error.code },
    cause: error,
  });
}
