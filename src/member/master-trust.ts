import type { MasterContact, View } from '../api/messages.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { describeError } from '../model/error.ts';
import type { MasterName, VpnName } from '../model/names.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { MemberError } from './member-error.ts';

/** A master whose name and WireGuard key are vouched for by the root. */
export interface TrustedMaster {
  readonly name: MasterName;
  readonly control: Endpoint;
  readonly wireguard: MasterContact['wireguard'];
  /** Of its interface towards members. */
  readonly publicKey: WireguardPublicKey;
}

export interface TrustAnchor {
  readonly vpn: VpnName;
  readonly rootCertificate: string;
  readonly nowMs: number;
}

/**
 * Checks every master of a view up to the pinned root; they are in `mastersOf`'s order. Where a master listens is not vouched for,
 * and need not be: whoever answers there must prove the name, or hold the key.
 * @throws MemberError `untrusted-master`
 */
export function trustedMastersOf(
  view: View,
  anchor: TrustAnchor,
): Promise<readonly TrustedMaster[]> {
  return Promise.all(mastersOf(view).map((contact) => trustedMaster(contact, anchor)));
}

/** All masters of a view, the acting one first. */
export function mastersOf({ acting, backups }: View): readonly MasterContact[] {
  return [acting, ...backups];
}

async function trustedMaster(contact: MasterContact, anchor: TrustAnchor): Promise<TrustedMaster> {
  const { name, control, wireguard, chain } = contact;
  const publicKey = await membersKeyOf(name, chain, anchor);
  return { name, control, wireguard, publicKey };
}

async function membersKeyOf(
  name: MasterName,
  chain: readonly string[],
  { vpn, rootCertificate, nowMs }: TrustAnchor,
): Promise<WireguardPublicKey> {
  const expected = { kind: 'master', vpn, name } as const;
  try {
    const { wireguardKeys } = await verifyChain({ chain, root: rootCertificate, nowMs, expected });
    const { members } = wireguardKeys;
    if (members) return members;
  } catch (cause) {
    throw untrusted(name, describeError(cause), cause);
  }
  throw untrusted(name, 'its certificate binds no key for its members');
}

function untrusted(master: MasterName, problem: string, cause?: unknown): MemberError {
  return new MemberError(`the view's master ${master} is not to be trusted: ${problem}`, {
    code: 'untrusted-master',
    fields: { master },
    cause,
  });
}
