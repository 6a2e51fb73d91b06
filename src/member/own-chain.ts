import type { Place } from '../api/messages.ts';
import { describeError } from '../model/error.ts';
import type { IdentityKey } from '../model/records.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { MemberError } from './member-error.ts';

export interface OwnChainFacts {
  readonly place: Place;
  readonly rootCertificate: string;
  readonly identityKey: IdentityKey;
  readonly wireguardKey: WireguardPublicKey;
  readonly nowMs: number;
}

/**
 * Checks a certificate that a master gave this member: its own name in its own subset, its own
 * identity and WireGuard keys, and a path to the pinned root.
 * @throws MemberError `bad-message`
 */
export async function checkOwnChain(
  chain: readonly string[],
  { place, rootCertificate, identityKey, wireguardKey, nowMs }: OwnChainFacts,
): Promise<void> {
  const { vpn, subset, name } = place;
  const expected = { kind: 'member', vpn: vpn.name, subset, name } as const;
  let checked: Awaited<ReturnType<typeof verifyChain>>;
  try {
    checked = await verifyChain({ chain, root: rootCertificate, nowMs, expected });
  } catch (cause) {
    throw notOurs(describeError(cause), cause);
  }
  if (checked.publicKeySpkiSha256 !== identityKey) throw notOurs('it is for another identity key');
  const { acting } = checked.wireguardKeys;
  if (acting !== wireguardKey) throw notOurs('it binds another WireGuard key');
}

function notOurs(problem: string, cause?: unknown): MemberError {
  return new MemberError(`the master gave a certificate that is not this member’s: ${problem}`, {
    code: 'bad-message',
    retryable: true,
    cause,
  });
}
