import ipaddr from 'ipaddr.js';
import { magicCookie, type StunMessage } from './stun-message.ts';

/** Where a packet came from: a numeric address, without brackets and zone, and a port. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

const families = { ipv4: 1, ipv6: 2 } as const;

/** The value of MAPPED-ADDRESS (RFC 8489 §14.1). An IPv4 address that a socket of both families shows as IPv6 is one. */
export function encodeMappedAddress({ address, port }: SocketAddress): Buffer {
  const parsed = ipaddr.process(address);
  const value = Buffer.alloc(4);
  value.writeUInt8(families[parsed.kind()], 1);
  value.writeUInt16BE(port, 2);
  return Buffer.concat([value, Buffer.from(parsed.toByteArray())]);
}

/** The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2), which no NAT on the way takes for an address to translate. */
export function encodeXorMappedAddress(
  from: SocketAddress,
  { transactionId }: Pick<StunMessage, 'transactionId'>,
): Buffer {
  return toggle(encodeMappedAddress(from), transactionId);
}

/** Undefined for what is none. */
export function parseXorMappedAddress(
  value: Buffer,
  { transactionId }: Pick<StunMessage, 'transactionId'>,
): SocketAddress | undefined {
  const family = value.at(1);
  const length = family === families.ipv4 ? 8 : family === families.ipv6 ? 20 : undefined;
  if (value.length !== length) return undefined;
  const plain = toggle(value, transactionId);
  const address = ipaddr.fromByteArray([...plain.subarray(4)]);
  const text = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return { address: text, port: plain.readUInt16BE(2) };
}

/** The port with the cookie's first half, the address with the cookie and the transaction's id. Its own inverse. */
function toggle(value: Buffer, transactionId: Buffer): Buffer {
  const cookie = Buffer.alloc(4);
  cookie.writeUInt32BE(magicCookie);
  const mask = Buffer.concat([Buffer.alloc(2), cookie.subarray(0, 2), cookie, transactionId]);
  return Buffer.from(value.map((byte, index) => byte ^ (mask[index] ?? 0)));
}
