import type { Place } from '../api/messages.ts';
import { contradictedAddresses, unprovedAddresses } from '../core/address-binding.ts';
import { describeError } from '../model/error.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { readBinding } from '../trust/chain-binding.ts';
import { MemberError } from './member-error.ts';
import type { MembershipState } from './membership-files.ts';

export interface OwnChainFacts {
  readonly place: Place;
  readonly rootCertificate: string;
  readonly identityKey: IdentityKey;
  readonly wireguardKey: WireguardPublicKey;
  readonly nowMs: number;
}

/**
 * Checks a certificate that a master gave this member: its own name in its own subset, its own
 * identity and WireGuard keys, its own addresses if it binds any, and a path to the pinned root.
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
  const fault = contradictedAddresses(place, checked);
  if (fault !== undefined) throw notOurs(fault);
}

/**
 * Whether other members have to be shown whose this member's addresses are, and its own certificate,
 * which was checked, does not.
 */
export function lacksProof({
  place,
  chain,
  view,
}: Pick<MembershipState, 'place' | 'chain' | 'view'>): boolean {
  if (view.keying === 'per-subset') return false;
  return unprovedAddresses(place, readBinding(chain)) !== undefined;
}

function notOurs(problem: string, cause?: unknown): MemberError {
  return new MemberError(`the master gave a certificate that is not this member’s: ${problem}`, {
    code: 'bad-message',
    retryable: true,
    cause,
  });
}
