import { HanseError } from '../model/error.ts';
import {
  type Address,
  addressAt,
  type Prefix,
  prefixBits,
  prefixFrom,
  prefixSize,
} from '../model/prefix.ts';
import type { AllocationRecord } from '../model/records.ts';

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
  blocks: Blocks,
  index: number,
): { readonly ipv4: Address; readonly ipv6: Address } {
  return {
    ipv4: ipv4At(blocks.ipv4Blocks, index),
    ipv6: addressAt(blocks.ipv6Block, BigInt(index)),
  };
}

function ipv4At(ipv4Blocks: readonly Prefix[], index: number): Address {
  let offset = index;
  for (const block of ipv4Blocks) {
    const usable = usableAddresses(block);
    if (offset >= 1 && offset <= usable) return addressAt(block, BigInt(offset));
    offset -= usable;
  }
  throw new RangeError(`place ${index} is outside the blocks ${ipv4Blocks.join(', ')}`);
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
