import type { MemberPresence } from '../../api/path-endpoints.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { MemberSession } from '../session/member-session.ts';

/** A member to be introduced, and its session with this master, if it has one. */
export interface Acquainted {
  readonly member: MemberRecord;
  readonly session: MemberSession | undefined;
}

/** A member as its certificate has it. */
export interface Certified {
  readonly name: MemberName;
  readonly subset: SubsetName;
  readonly key: WireguardPublicKey;
}

export interface PresentationOptions {
  /** For a direct path; none for a sealed tunnel, or when only the certificate is younger. */
  readonly candidates: readonly string[];
  readonly isFirst: boolean;
  /** Where `to` sends what this master is to pass on to the member; absent for no relay. */
  readonly relayPort?: number | undefined;
  /** For a sealed tunnel. */
  readonly sealedPort?: number | undefined;
  readonly nowMs: number;
}

/** Tells one member of the other. @returns whether there was something to be told */
export function present(
  { member, session }: Acquainted,
  to: MemberSession,
  options: PresentationOptions,
): boolean {
  const { name, subset, keys, ipv4, ipv6 } = member;
  const chain = session?.chain() ?? [];
  if (chain.length === 0) return false;
  const key = keys.acting;
  tell(to, { name, subset, key, chain, ipv4, ipv6 }, options);
  return true;
}

/** Tells a member of one whom another master vouches for, or of one of this master's. */
export function tell(
  to: MemberSession,
  other: Certified & Pick<MemberPresence, 'ipv4' | 'ipv6'> & { readonly chain: readonly string[] },
  { candidates, isFirst, relayPort, sealedPort, nowMs }: PresentationOptions,
): void {
  const { name, subset, key, chain, ipv4, ipv6 } = other;
  if (sealedPort === undefined) to.direct.noteIntroduced(key, nowMs);
  else to.direct.noteSealed(key, nowMs);
  to.send({
    ...{ type: 'introduce', name, chain: [...chain], ipv4, ipv6 },
    ...{ candidates: [...candidates], isFirst },
    ...(subset === to.member.subset ? {} : { subset }),
    ...(sealedPort === undefined ? {} : { sealedPort }),
    ...(relayPort === undefined ? {} : { relayPort }),
  });
}

/** What another master is told of a member; undefined of one that says nothing of itself. */
export function presenceOf({ member, session }: Acquainted): MemberPresence | undefined {
  const chain = [...(session?.chain() ?? [])];
  const { sealedPort } = session?.direct.contact ?? {};
  if (chain.length === 0) return undefined;
  const { ipv4, ipv6 } = member;
  return { chain, ipv4, ipv6, ...(sealedPort === undefined ? {} : { sealedPort }) };
}
