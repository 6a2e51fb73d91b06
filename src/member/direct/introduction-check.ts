import { isIP } from 'node:net';
import type { IntroduceMessage } from '../../api/direct-messages.ts';
import type { Place } from '../../api/messages.ts';
import { interfaceIdOf, masterAddressIndex } from '../../core/addressing.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import type { MemberName } from '../../model/names.ts';
import {
  type Address,
  familyOf,
  hostPrefix,
  type Prefix,
  parseAddress,
  prefixBits,
  prefixesOverlap,
  prefixFrom,
} from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import { MemberError } from '../member-error.ts';
import { validityOf } from '../validity.ts';

/** What this member knows by itself, and the introduction is held against. */
export interface IntroductionFacts {
  readonly place: Place;
  readonly rootCertificate: string;
  readonly ownKey: WireguardPublicKey;
  /** Of all masters of the view: they have peers of their own on the direct interface. */
  readonly masterKeys: readonly WireguardPublicKey[];
  /** Those that are held, whoever introduced them. */
  readonly others: readonly AddressHolder[];
  readonly nowMs: number;
}

export interface AddressHolder {
  readonly publicKey: WireguardPublicKey;
  readonly ipv4: Address;
  readonly ipv6: Address;
}

/** A member of the own subset whose name and key the root vouches for, and whose addresses nobody else has. */
export interface TrustedPeer extends AddressHolder {
  readonly name: MemberName;
  readonly chain: readonly string[];
  /** The certificate's end: no moment later is it a peer. */
  readonly endsAtMs: number;
}

/**
 * Checks whom a master introduces, up to the pinned root. Addresses and candidates are not vouched
 * for by anybody: a master that lies about them sends this member's packets to another member of the
 * subset, whose packets it could have taken anyway.
 * @throws MemberError `untrusted-peer`
 */
export async function checkIntroduction(
  introduction: Pick<IntroduceMessage, 'name' | 'chain' | 'ipv4' | 'ipv6' | 'candidates'>,
  facts: IntroductionFacts,
): Promise<TrustedPeer> {
  const { name, chain, ipv4, ipv6, candidates } = introduction;
  const publicKey = await keyOf(name, chain, facts);
  const peer = { publicKey, name, chain, ipv4, ipv6, endsAtMs: validityOf(chain).endsAtMs };
  const { prefixes } = facts.place.vpn;
  const problem =
    keyProblem(publicKey, facts) ??
    addressProblem(peer, facts) ??
    candidates.map((candidate) => candidateProblem(candidate, prefixes)).find(Boolean);
  if (problem !== undefined) throw untrusted(name, problem);
  return peer;
}

async function keyOf(
  name: MemberName,
  chain: readonly string[],
  { place, rootCertificate, nowMs }: IntroductionFacts,
): Promise<WireguardPublicKey> {
  const { vpn, subset } = place;
  const expected = { kind: 'member', vpn: vpn.name, subset, name } as const;
  try {
    const { wireguardKeys } = await verifyChain({ chain, root: rootCertificate, nowMs, expected });
    const { acting } = wireguardKeys;
    if (acting) return acting;
  } catch (cause) {
    throw untrusted(name, describeError(cause), cause);
  }
  throw untrusted(name, 'its certificate binds no key for other members');
}

function keyProblem(
  key: WireguardPublicKey,
  { ownKey, masterKeys }: IntroductionFacts,
): string | undefined {
  if (key === ownKey) return 'it has the key of this member';
  return masterKeys.includes(key) ? 'it has the key of a master' : undefined;
}

function addressProblem(
  { publicKey, ipv4, ipv6 }: AddressHolder,
  { place, others }: IntroductionFacts,
): string | undefined {
  if (familyOf(ipv4) !== 4 || familyOf(ipv6) !== 6) return 'its addresses are of the wrong kinds';
  if (!isWithin(ipv4, place.vpn.prefixes) || !isWithin(ipv6, place.vpn.prefixes)) {
    return 'its addresses are not of this VPN';
  }
  if (!isWithin(ipv6, [subsetBlockOf(place.ipv6)])) return 'its address is of another subset';
  if (!isPlaceOfMember(ipv6)) return 'no member can have its address';
  if (ipv4 === place.ipv4 || ipv6 === place.ipv6) return 'it has an address of this member';
  const isTaken = others.some(
    (other) => other.publicKey !== publicKey && (other.ipv4 === ipv4 || other.ipv6 === ipv6),
  );
  return isTaken ? 'another peer has its address' : undefined;
}

/** A packet to an endpoint within the VPN would go into a tunnel again. */
function candidateProblem(candidate: string, prefixes: readonly Prefix[]): string | undefined {
  const host = hostOf(candidate);
  const port = portOf(candidate);
  if (isIP(host) === 0 || port < 1 || port > 65_535) return 'a candidate is no address and port';
  return isWithin(parseAddress(host), prefixes) ? 'a candidate is within the VPN' : undefined;
}

function isWithin(address: Address, prefixes: readonly Prefix[]): boolean {
  return prefixes.some((prefix) => prefixesOverlap(prefix, hostPrefix(address)));
}

/** 48 bits say which member it is, all of which are in its link-local address; the first is the master's. */
function isPlaceOfMember(ipv6: Address): boolean {
  const place = interfaceIdOf(ipv6);
  return place > BigInt(masterAddressIndex) && place < 1n << 48n;
}

function subsetBlockOf(ipv6: Address): Prefix {
  const { first } = prefixBits(hostPrefix(ipv6));
  return prefixFrom({ family: 6, first: (first >> 64n) << 64n, length: 64 });
}

function untrusted(peer: MemberName, problem: string, cause?: unknown): MemberError {
  return new MemberError(`a master introduced ${peer}, which is not to be trusted: ${problem}`, {
    code: 'untrusted-peer',
    fields: { peer },
    cause,
  });
}
