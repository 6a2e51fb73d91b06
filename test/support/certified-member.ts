import assert from 'node:assert/strict';
import type { WireguardPublicKey } from '../../src/model/wireguard-key.ts';
import { verifyChain } from '../../src/trust/certificate-check.ts';
import type { MemberAddresses } from '../../src/trust/member-addresses.ts';
import type { CertificateBed } from './certificate-bed.ts';

/**
 * Another member of the VPN, as an introduction tells of it, and the WireGuard key in its certificate.
 * @param addresses that the certificate binds; none unless said
 * @param acting its WireGuard key; a new one unless said
 */
export async function certifiedMember(
  bed: CertificateBed,
  subsetName: string,
  memberName: string,
  addresses?: MemberAddresses,
  acting?: WireguardPublicKey,
) {
  const expected = bed.member(subsetName, memberName);
  const keys = acting && { acting };
  const { chain } = await bed.issue(expected, bed.period, addresses, keys);
  const root = bed.root.certificatePem;
  const { wireguardKeys } = await verifyChain({ chain, root, nowMs: Date.now(), expected });
  const { acting: key } = wireguardKeys;
  assert.ok(key);
  return { name: expected.name, subset: expected.subset, chain: [...chain], key };
}
