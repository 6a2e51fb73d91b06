import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { InvalidInputError } from './error.ts';

/** An address block in canonical CIDR form: no host bits, IPv6 compressed (RFC 5952). */
export const prefixSchema = z
  .string()
  .refine(
    (text) => canonicalPrefix(text) === text,
    'expected a block such as 100.64.0.0/21 or fd00::/64 without host bits',
  )
  .brand<'Prefix'>();
export type Prefix = z.infer<typeof prefixSchema>;

/** A single address in canonical form. */
export const addressSchema = z
  .string()
  .refine(
    (text) => canonicalAddress(text) === text,
    'expected an IPv4 or IPv6 address in canonical form',
  )
  .brand<'Address'>();
export type Address = z.infer<typeof addressSchema>;

export type Family = 4 | 6;
export const families: readonly Family[] = [4, 6];

/** Parses a block and makes it canonical. @throws InvalidInputError when it is none or has host bits. */
export function parsePrefix(text: string): Prefix {
  const canonical = canonicalPrefix(text);
  if (canonical === undefined) {
    throw new InvalidInputError(
      `"${text.slice(0, 64)}" is not an address block: write it as 100.64.0.0/10 or fd00::/48`,
    );
  }
  if (!ipaddr.isValidCIDR(text) || hasHostBits(text)) {
    throw new InvalidInputError(`"${text}" has host bits set: write ${canonical}`);
  }
  return canonical as Prefix;
}

/** Where a connection comes from, as Node tells it; undefined when that is no address. */
export function addressOfRemote(remote: string): Address | undefined {
  return addressSchema.safeParse(remote.replace(/^::ffff:/, '')).data;
}

export function parseAddress(text: string): Address {
  const canonical = canonicalAddress(text);
  if (canonical === undefined)
    throw new InvalidInputError(`"${text.slice(0, 64)}" is not an IP address`);
  return canonical as Address;
}

function canonicalPrefix(text: string): string | undefined {
  if (!ipaddr.isValidCIDR(text)) return undefined;
  const [address, bits] = ipaddr.parseCIDR(text);
  const family = address.kind() === 'ipv4' ? 4 : 6;
  const host = BigInt((family === 4 ? 32 : 128) - bits);
  return `${formatAddress((toBits(address) >> host) << host, family)}/${bits}`;
}

function hasHostBits(text: string): boolean {
  const [address, bits] = ipaddr.parseCIDR(text);
  const width = address.kind() === 'ipv4' ? 32 : 128;
  const hostMask = (1n << BigInt(width - bits)) - 1n;
  return (toBits(address) & hostMask) !== 0n;
}

function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  // A zone identifier names an interface of one host, so it is never part of a VPN address.
  if (ipaddr.IPv6.isValid(text) && !text.includes('%'))
    return ipaddr.IPv6.parse(text).toRFC5952String();
  return undefined;
}

/** The family, first address (as a number) and length of a block. */
export interface PrefixBits {
  readonly family: Family;
  readonly first: bigint;
  readonly length: number;
}

export function prefixBits(prefix: Prefix): PrefixBits {
  const [address, length] = ipaddr.parseCIDR(prefix);
  return { family: address.kind() === 'ipv4' ? 4 : 6, first: toBits(address), length };
}

export function prefixFrom(bits: PrefixBits): Prefix {
  return `${formatAddress(bits.first, bits.family)}/${bits.length}` as Prefix;
}

/** How many addresses the block has. */
export function prefixSize({ family, length }: PrefixBits): bigint {
  return 1n << BigInt((family === 4 ? 32 : 128) - length);
}

/** The address `offset` places after the block's first. @throws RangeError outside the block. */
export function addressAt(prefix: Prefix, offset: bigint): Address {
  const bits = prefixBits(prefix);
  if (offset < 0n || offset >= prefixSize(bits))
    throw new RangeError(`offset ${offset} is outside ${prefix}`);
  return formatAddress(bits.first + offset, bits.family) as Address;
}

/** In network byte order: 4 bytes or 16. */
export function addressBytes(address: Address): Uint8Array {
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

/** The inverse of `addressBytes`. @throws RangeError for another number of bytes */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== 4 && bytes.length !== 16) {
    throw new RangeError(`an address has 4 bytes or 16, not ${bytes.length}`);
  }
  return formatBytes([...bytes]) as Address;
}

export function familyOf(address: Address | Prefix): Family {
  return address.includes(':') ? 6 : 4;
}

/** The block that holds this address and nothing else. */
export function hostPrefix(address: Address): Prefix {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}` as Prefix;
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  const [one, two] = [prefixBits(a), prefixBits(b)];
  if (one.family !== two.family) return false;
  const host = BigInt((one.family === 4 ? 32 : 128) - Math.min(one.length, two.length));
  return one.first >> host === two.first >> host;
}

function toBits(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  return address.toByteArray().reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

function formatAddress(bits: bigint, family: Family): string {
  const bytes = Array.from(
    { length: family === 4 ? 4 : 16 },
    (_, index, size = family === 4 ? 4 : 16) =>
      Number((bits >> BigInt(8 * (size - 1 - index))) & 0xffn),
  );
  return formatBytes(bytes);
}

function formatBytes(bytes: number[]): string {
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
