import { HanseError } from '../model/error.ts';
import {
  type Address,
  addressAt,
  familyOf,
  hostPrefix,
  type Prefix,
  prefixBits,
  prefixFrom,
  prefixSize,
} from '../model/prefix.ts';
import type { AllocationRecord } from '../model/records/directory.ts';

/**
 * - `ipv4-exhausted`: the VPN's IPv4 prefix has no room for another block. Fields: `prefix`, `length`.
 */
export class AddressingError extends HanseError<'ipv4-exhausted'> {}

/** The place of the acting master in every subset. */
export const masterAddressIndex = 1;

/** A subset's blocks, as its record has them. */
export interface Blocks {
  readonly ipv6Block: Prefix;
  readonly ipv4Blocks: readonly Prefix[];
}

/** The unique local /48 with this 40-bit global id (RFC 4193 §3.1). @param globalId 5 random bytes */
export function uniqueLocalPrefix(globalId: Uint8Array): Prefix {
  if (globalId.length !== 5)
    throw new RangeError(`a global id has 5 bytes, not ${globalId.length}`);
  const first = globalId.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0xfdn) << 80n;
  return prefixFrom({ family: 6, first, length: 48 });
}

/** The subset's /64. @param index 1 to 65,535; 0 stays free for the VPN itself */
export function subsetIpv6Block(vpnIpv6: Prefix, index: number): Prefix {
  const { first } = prefixBits(vpnIpv6);
  return prefixFrom({ family: 6, first: first | (BigInt(index) << 64n), length: 64 });
}

/**
 * The next free IPv4 block of the length, aligned to its size, and the allocation without it.
 * @throws AddressingError `ipv4-exhausted`
 */
export function takeIpv4Block(
  vpnIpv4: Prefix,
  allocation: AllocationRecord,
  length: number,
): { readonly block: Prefix; readonly allocation: AllocationRecord } {
  const vpn = prefixBits(vpnIpv4);
  const size = 1n << BigInt(32 - length);
  const used = BigInt(allocation.ipv4Used);
  const start = ((used + size - 1n) / size) * size;
  if (length < vpn.length || start + size > prefixSize(vpn)) {
    throw new AddressingError(
      `the VPN's IPv4 prefix ${vpnIpv4} has no room for another /${length} block: make a VPN with a larger prefix or smaller blocks`,
      { code: 'ipv4-exhausted', fields: { prefix: vpnIpv4, length } },
    );
  }
  return {
    block: prefixFrom({ family: 4, first: vpn.first + start, length }),
    allocation: { ...allocation, ipv4Used: Number(start + size) },
  };
}

/** A subset that has outgrown its blocks doubles: few blocks to announce, however it grows. */
export function nextIpv4BlockLength(ipv4Blocks: readonly Prefix[]): number {
  const total = ipv4Blocks.reduce((sum, block) => sum + prefixSize(prefixBits(block)), 0n);
  return 32 - (total.toString(2).length - 1);
}

/** How many nodes the blocks hold: each block without its first and its last address. */
export function addressCapacity(ipv4Blocks: readonly Prefix[]): number {
  return ipv4Blocks.reduce((sum, block) => sum + usableAddresses(block), 0);
}

function usableAddresses(block: Prefix): number {
  return Math.max(0, Number(prefixSize(prefixBits(block))) - 2);
}

/** The pair of addresses at a place. @param index 1 to `addressCapacity` @throws RangeError outside */
export function addressesAt(
  { ipv4Blocks, ipv6Block }: Blocks,
  index: number,
): { readonly ipv4: Address; readonly ipv6: Address } {
  let offset = index;
  for (const [ordinal, block] of ipv4Blocks.entries()) {
    const usable = usableAddresses(block);
    if (offset >= 1 && offset <= usable) {
      const ipv6 = addressAt(ipv6BlockAt(ipv6Block, ordinal), BigInt(offset));
      return { ipv4: addressAt(block, BigInt(offset)), ipv6 };
    }
    offset -= usable;
  }
  throw new RangeError(`place ${index} is outside the blocks ${ipv4Blocks.join(', ')}`);
}

/** The inverse of `addressesAt`, for either address. @returns undefined outside of the blocks */
export function addressIndexOf(
  { ipv4Blocks, ipv6Block }: Blocks,
  address: Address,
): number | undefined {
  const bits = bitsOf(address);
  let before = 0;
  for (const [ordinal, block] of ipv4Blocks.entries()) {
    const within = familyOf(address) === 4 ? block : ipv6BlockAt(ipv6Block, ordinal);
    const offset = bits - prefixBits(within).first;
    const usable = usableAddresses(block);
    if (offset >= 1n && offset <= BigInt(usable)) return before + Number(offset);
    before += usable;
  }
  return undefined;
}

/** One address block of a subset: the same places in both families, so that it can be routed as one. */
export interface BlockPair {
  /** 0 for the subset's first block. */
  readonly ordinal: number;
  readonly ipv4: Prefix;
  /** A /96 of the subset's /64. */
  readonly ipv6: Prefix;
}

export function blockPairs({ ipv4Blocks, ipv6Block }: Blocks): readonly BlockPair[] {
  return ipv4Blocks.map((ipv4, ordinal) => ({
    ordinal,
    ipv4,
    ipv6: ipv6BlockAt(ipv6Block, ordinal),
  }));
}

const blockOrdinalShift = 32n;

function ipv6BlockAt(ipv6Block: Prefix, ordinal: number): Prefix {
  const first = prefixBits(ipv6Block).first | (BigInt(ordinal) << blockOrdinalShift);
  return prefixFrom({ family: 6, first, length: 96 });
}

/** Which of its subset's blocks a member's IPv6 address is in. */
export function blockOrdinalOf(ipv6: Address): number {
  return Number((bitsOf(ipv6) >> blockOrdinalShift) & 0xffffn);
}

/**
 * Above all places of a block, which has at most 2^24 (a /8), so that what is sent between the sealed
 * interfaces of two members goes the ways of their blocks and is no member's own address.
 */
const sealedBit = 1n << 31n;

/** Where a member's sealed tunnels are reached: within its own block, known by one bit. */
export function sealedAddress(ipv6: Address): Address {
  return withBits(bitsOf(ipv6) | sealedBit);
}

/** The member's own address, of either that and its `sealedAddress`. */
export function unsealedAddress(ipv6: Address): Address {
  return withBits(bitsOf(ipv6) & ~sealedBit);
}

export function isSealedAddress(address: Address): boolean {
  return familyOf(address) === 6 && (bitsOf(address) & sealedBit) !== 0n;
}

function withBits(bits: bigint): Address {
  return addressAt(prefixFrom({ family: 6, first: bits, length: 128 }), 0n);
}

const linkLocalFirst = 0xfe80n << 112n;

/** Where a master is on its interface towards members (RFC 4291 §2.5.6). */
export const masterLinkLocal = linkLocal(1n);

/** Where a master is on its interfaces towards other masters. @param index of the master */
export function backboneLinkLocal(index: number): Address {
  return linkLocal(BigInt(index));
}

/**
 * Where a member is on its interfaces towards masters: made of the subset's index and the member's
 * place, so that it is the only one on a master's interface, whatever subsets share it. A link-local
 * address belongs to one tunnel, so what is sent between two of them has taken just that path.
 */
export function memberLinkLocal(ipv6: Address): Address {
  const bits = bitsOf(ipv6);
  const subsetIndex = (bits >> 64n) & 0xffffn;
  return linkLocal((subsetIndex << 48n) | (bits & 0xffff_ffff_ffffn));
}

/** The last 64 bits of a link-local address. */
export function interfaceIdOf(address: Address): bigint {
  return bitsOf(address) & 0xffff_ffff_ffff_ffffn;
}

/** What `memberLinkLocal` made of a member's place. */
export function parseMemberInterfaceId(interfaceId: bigint): {
  readonly subsetIndex: number;
  readonly blockOrdinal: number;
  /** 1 for the first place of the block. */
  readonly offset: bigint;
} {
  return {
    subsetIndex: Number(interfaceId >> 48n),
    blockOrdinal: Number((interfaceId >> blockOrdinalShift) & 0xffffn),
    offset: interfaceId & 0xffff_ffffn,
  };
}

/**
 * All addresses at an offset of one block: the IPv4 one, the IPv6 one and the sealed one.
 * @returns undefined when the block has no such place
 */
export function addressesIn(
  { ipv4, ipv6 }: BlockPair,
  offset: bigint,
): readonly [Address, Address, Address] | undefined {
  if (offset < 1n || offset > BigInt(usableAddresses(ipv4))) return undefined;
  const own = addressAt(ipv6, offset);
  return [addressAt(ipv4, offset), own, sealedAddress(own)];
}

function linkLocal(interfaceId: bigint): Address {
  return addressAt(prefixFrom({ family: 6, first: linkLocalFirst, length: 64 }), interfaceId);
}

function bitsOf(address: Address): bigint {
  return prefixBits(hostPrefix(address)).first;
}

/**
 * The next free place after the one given last, going round: an address rests as long as possible
 * before it is given again. Undefined when none is free.
 */
export function nextAddressIndex(
  taken: { has(index: number): boolean },
  lastIndex: number,
  capacity: number,
): number | undefined {
  const first = masterAddressIndex + 1;
  for (let step = 1; step <= capacity; step += 1) {
    const index =
      first + ((Math.max(lastIndex, masterAddressIndex) - first + step) % (capacity - 1));
    if (!taken.has(index)) return index;
  }
  return undefined;
}
