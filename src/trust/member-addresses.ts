import { InvalidInputError } from '../model/error.ts';
import {
  type Address,
  addressBytes,
  addressFromBytes,
  familyOf,
  type Prefix,
  prefixesOverlap,
} from '../model/prefix.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import type { MemberRecord } from '../model/records/roll.ts';
import { type DerElement, derTag, encodeDer, readDerContent, readDerElements } from './der.ts';
import { malformed } from './trust-error.ts';

/*
 * Two private, non-critical certificate extensions, by which nobody has to be believed who has which
 * address. A leaf's binds a member's addresses, and an intermediate's the blocks that they are in:
 *
 *   MemberAddresses ::= SEQUENCE {
 *     ipv4  OCTET STRING (SIZE (4)),
 *     ipv6  OCTET STRING (SIZE (16)) }
 *
 *   SubsetBlocks ::= SEQUENCE {
 *     ipv6  OCTET STRING (SIZE (8)),        -- the first half of every address in the /64
 *     ipv4  SEQUENCE SIZE (1..64) OF OCTET STRING (SIZE (5)) }
 *                                           -- an address without host bits and the block's length
 *
 * The IPv4 blocks are in the order in which the subset got them, which says with which places of the
 * /64 each goes together (`core/addressing`).
 */

/** The two addresses of a member. */
export type MemberAddresses = Pick<MemberRecord, 'ipv4' | 'ipv6'>;
/** The blocks of a subset, as of when its authority was issued: those that it gets later are not bound. */
export type SubsetBlocks = Pick<SubsetRecord, 'ipv6Block' | 'ipv4Blocks'>;

const ofMember = 'the extension with addresses';
const ofSubset = 'the extension with address blocks';
/** As in a subset's record. */
const maxBlocks = 64;
/** As a VPN's subsets have them. */
const blockLengths = { least: 8, most: 30 };
const prefixBytes = 8;

/** @throws InvalidInputError for an address of the wrong kind */
export function encodeMemberAddresses({ ipv4, ipv6 }: MemberAddresses): Uint8Array {
  if (familyOf(ipv4) !== 4 || familyOf(ipv6) !== 6) {
    throw new InvalidInputError('a certificate binds one IPv4 and one IPv6 address', {
      ipv4,
      ipv6,
    });
  }
  const strings = [ipv4, ipv6].map((address) => octets(addressBytes(address)));
  return encodeDer(derTag.sequence, ...strings);
}

/** @throws TrustError `malformed` for anything that `encodeMemberAddresses` does not write */
export function decodeMemberAddresses(der: Uint8Array): MemberAddresses {
  const [ipv4, ipv6] = readPair(der, ofMember);
  return {
    ipv4: addressFromBytes(readOctets(ipv4, 4, ofMember)),
    ipv6: addressFromBytes(readOctets(ipv6, 16, ofMember)),
  };
}

/** @throws InvalidInputError for anything but a /64 and 1 to 64 IPv4 blocks, none of which overlap */
export function encodeSubsetBlocks({ ipv6Block, ipv4Blocks }: SubsetBlocks): Uint8Array {
  const problem = blocksProblem({ ipv6Block, ipv4Blocks });
  if (problem !== undefined) {
    throw new InvalidInputError(
      `a certificate binds a subset's /64 and its IPv4 blocks: ${problem}`,
    );
  }
  const [ipv6] = partsOf(ipv6Block);
  const ipv4 = ipv4Blocks.map((block) => {
    const [first, length] = partsOf(block);
    return octets(Uint8Array.of(...first, length));
  });
  return encodeDer(
    derTag.sequence,
    octets(ipv6.subarray(0, prefixBytes)),
    encodeDer(derTag.sequence, ...ipv4),
  );
}

/** @throws TrustError `malformed` for anything that `encodeSubsetBlocks` does not write */
export function decodeSubsetBlocks(der: Uint8Array): SubsetBlocks {
  const [ipv6, ipv4] = readPair(der, ofSubset);
  if (ipv4.tag !== derTag.sequence) throw malformed(ofSubset, 'unexpected structure');
  const first = Buffer.concat([readOctets(ipv6, prefixBytes, ofSubset), Buffer.alloc(8)]);
  const blocks = {
    ipv6Block: `${addressFromBytes(first)}/64` as Prefix,
    ipv4Blocks: readDerElements(ipv4.content, ofSubset).map(readIpv4Block),
  };
  const problem = blocksProblem(blocks);
  if (problem !== undefined) throw malformed(ofSubset, problem);
  return blocks;
}

function readIpv4Block(element: DerElement): Prefix {
  const bytes = readOctets(element, 5, ofSubset);
  return `${addressFromBytes(bytes.subarray(0, 4))}/${bytes[4]}` as Prefix;
}

function blocksProblem({ ipv6Block, ipv4Blocks }: SubsetBlocks): string | undefined {
  const [ipv6, length] = partsOf(ipv6Block);
  const isPrefix = ipv6.length === 16 && ipv6.subarray(prefixBytes).every((byte) => byte === 0);
  if (!isPrefix || length !== 64) return 'its IPv6 block is no /64';
  if (ipv4Blocks.length === 0 || ipv4Blocks.length > maxBlocks) {
    return `it must have 1 to ${maxBlocks} IPv4 blocks`;
  }
  if (!ipv4Blocks.every(isIpv4Block)) {
    return `an IPv4 block is none of length ${blockLengths.least} to ${blockLengths.most}`;
  }
  const overlaps = ipv4Blocks.some((block, index) =>
    ipv4Blocks.slice(0, index).some((other) => prefixesOverlap(block, other)),
  );
  return overlaps ? 'two of its IPv4 blocks overlap' : undefined;
}

function isIpv4Block(block: Prefix): boolean {
  const [first, length] = partsOf(block);
  const bits = Buffer.from(first).readUInt32BE();
  const isWhole = bits % 2 ** (32 - length) === 0;
  return (
    familyOf(block) === 4 && length >= blockLengths.least && length <= blockLengths.most && isWhole
  );
}

function partsOf(block: Prefix): readonly [Uint8Array, number] {
  const [address, length] = block.split('/');
  return [addressBytes(address as Address), Number(length)];
}

function readPair(der: Uint8Array, what: string): readonly [DerElement, DerElement] {
  const [first, second, ...rest] = readDerElements(
    readDerContent(der, derTag.sequence, what),
    what,
  );
  if (!first || !second || rest.length > 0) throw malformed(what, 'unexpected structure');
  return [first, second];
}

function readOctets({ tag, content }: DerElement, length: number, what: string): Uint8Array {
  if (tag !== derTag.octetString || content.length !== length) {
    throw malformed(what, `expected ${length} bytes`);
  }
  return content;
}

function octets(bytes: Uint8Array): Uint8Array {
  return encodeDer(derTag.octetString, bytes);
}
