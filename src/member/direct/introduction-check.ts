import { isIP } from 'node:net';
import type { IntroduceMessage } from '../../api/direct-messages.ts';
import type { Place } from '../../api/messages.ts';
import {
  type Binding,
  contradictedAddresses,
  unprovedAddresses,
} from '../../core/address-binding.ts';
import { interfaceIdOf, isSealedAddress, masterAddressIndex } from '../../core/addressing.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import {
  type Address,
  familyOf,
  hostPrefix,
  type Prefix,
  parseAddress,
  prefixBits,
  prefixesOverlap,
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
  /** Whether members of other subsets have the same group key. */
  readonly haveOneKey: boolean;
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

/** A member whose name and key the root vouches for, and whose addresses no other peer has. */
export interface TrustedPeer extends AddressHolder {
  readonly name: MemberName;
  readonly subset: SubsetName;
  readonly chain: readonly string[];
  /** The certificate's end: no moment later is it a peer. */
  readonly endsAtMs: number;
}

/** What an introduction says of somebody, whatever it is for. */
export type Introduced = Pick<
  IntroduceMessage,
  'name' | 'subset' | 'chain' | 'ipv4' | 'ipv6' | 'candidates'
>;

/**
 * Checks whom a master introduces, up to the pinned root. Where members of all subsets have one key,
 * its addresses must be proved as well: a master that could lie about them would have packets sealed
 * for somebody else than they are meant for. In a VPN where masters forward packets openly it could
 * have taken them anyway; there a certificate may say nothing, as those of an earlier version do.
 * Candidates are not vouched for by anybody, and need not be: who has not got the key does not answer.
 * @throws MemberError `untrusted-peer`
 */
export async function checkIntroduction(
  introduction: Introduced,
  facts: IntroductionFacts,
): Promise<TrustedPeer> {
  const { name, subset = facts.place.subset, chain, ipv4, ipv6, candidates } = introduction;
  if (subset !== facts.place.subset && !facts.haveOneKey) {
    throw untrusted(name, `it is of ${subset}, whose members have another key`);
  }
  const { publicKey, binding } = await readChain({ name, subset, chain }, facts);
  const { endsAtMs } = validityOf(chain);
  const peer = { publicKey, name, subset, chain, ipv4, ipv6, endsAtMs };
  const { prefixes } = facts.place.vpn;
  const findFault = facts.haveOneKey ? unprovedAddresses : contradictedAddresses;
  const problem =
    keyProblem(publicKey, facts) ??
    addressProblem(peer, facts) ??
    findFault(peer, binding) ??
    candidates.map((candidate) => candidateProblem(candidate, prefixes)).find(Boolean);
  if (problem !== undefined) throw untrusted(name, problem);
  return peer;
}

async function readChain(
  { name, subset, chain }: Pick<TrustedPeer, 'name' | 'subset' | 'chain'>,
  { place, rootCertificate, nowMs }: IntroductionFacts,
): Promise<{ readonly publicKey: WireguardPublicKey; readonly binding: Binding }> {
  const expected = { kind: 'member', vpn: place.vpn.name, subset, name } as const;
  try {
    const binding = await verifyChain({ chain, root: rootCertificate, nowMs, expected });
    const { acting: publicKey } = binding.wireguardKeys;
    if (publicKey) return { publicKey, binding };
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
  { publicKey, subset, ipv4, ipv6 }: TrustedPeer,
  { place, others }: IntroductionFacts,
): string | undefined {
  if (familyOf(ipv4) !== 4 || familyOf(ipv6) !== 6) return 'its addresses are of the wrong kinds';
  if (!isWithin(ipv4, place.vpn.prefixes) || !isWithin(ipv6, place.vpn.prefixes)) {
    return 'its addresses are not of this VPN';
  }
  const isOfOwnSubset = subset === place.subset;
  if (isSameSubset(place.ipv6, ipv6) !== isOfOwnSubset) return 'its address is of another subset';
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
  return place > BigInt(masterAddressIndex) && place < 1n << 48n && !isSealedAddress(ipv6);
}

/** Every subset has one /64 (DESIGN §6). */
function isSameSubset(one: Address, other: Address): boolean {
  return subsetBits(one) === subsetBits(other);
}

function subsetBits(ipv6: Address): bigint {
  return prefixBits(hostPrefix(ipv6)).first >> 64n;
}

function untrusted(peer: MemberName, problem: string, cause?: unknown): MemberError {
  return new MemberError(`a master introduced ${peer}, which is not to be trusted: ${problem}`, {
    code: 'untrusted-peer',
    fields: { peer },
    cause,
  });
}
