import { crc32 } from 'node:zlib';

/*
 * STUN messages (RFC 8489 §5, §14) as far as binding requests need them: header, attributes and
 * FINGERPRINT. There is no authentication: a binding request changes nothing at the server.
 */

/** RFC 8489 §5; what came before it (RFC 3489) has random bits there. */
export const magicCookie = 0x2112a442;
export const headerBytes = 20;
/** A request that fits no path without fragments is none of a member's, and answers are always shorter. */
export const longestMessageBytes = 1_280;
/** Each is four bytes at least; more than any client sends. */
const mostAttributes = 32;
/** RFC 8489 §14.7: so that a packet of another protocol is not taken for STUN. */
const fingerprintMask = 0x5354554e;
const bindingMethod = 0x001;

/** RFC 8489 §18.3. Those below 0x8000 have to be understood by whoever gets them. */
export const attributeType = {
  mappedAddress: 0x0001,
  changeRequest: 0x0003,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  software: 0x8022,
  fingerprint: 0x8028,
} as const;

export type StunClass = 'request' | 'indication' | 'success' | 'error';
const classes: readonly StunClass[] = ['request', 'indication', 'success', 'error'];

export interface StunAttribute {
  readonly type: number;
  readonly value: Buffer;
}

/** A binding message. */
export interface StunMessage {
  readonly class: StunClass;
  /** `magicCookie`, but for clients older than RFC 5389. */
  readonly cookie: number;
  /** 12 bytes. */
  readonly transactionId: Buffer;
  /** Without FINGERPRINT, which was checked or will be added; none that came after it. */
  readonly attributes: readonly StunAttribute[];
}

/** Undefined for what is no well-formed binding message, or has a wrong FINGERPRINT. Never throws. */
export function parseStunMessage(packet: Buffer): StunMessage | undefined {
  if (packet.length < headerBytes || packet.length > longestMessageBytes) return undefined;
  const type = packet.readUInt16BE(0);
  if (packet.readUInt16BE(2) !== packet.length - headerBytes || packet.length % 4 !== 0)
    return undefined;
  const stunClass = classOf(type);
  const attributes = parseAttributes(packet);
  if (stunClass === undefined || attributes === undefined) return undefined;
  const transactionId = packet.subarray(8, headerBytes);
  return { class: stunClass, cookie: packet.readUInt32BE(4), transactionId, attributes };
}

/** With FINGERPRINT as the last attribute. */
export function encodeStunMessage(message: StunMessage): Buffer {
  const body = Buffer.concat(message.attributes.map(encodeAttribute));
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(typeOf(message.class), 0);
  header.writeUInt16BE(body.length + 8, 2);
  header.writeUInt32BE(message.cookie, 4);
  message.transactionId.copy(header, 8);
  const covered = Buffer.concat([header, body]);
  const value = Buffer.alloc(4);
  value.writeUInt32BE(fingerprintOf(covered));
  return Buffer.concat([covered, encodeAttribute({ type: attributeType.fingerprint, value })]);
}

/** The class's two bits are at the places 4 and 8 of the type (RFC 8489 §5); undefined for other methods. */
function classOf(type: number): StunClass | undefined {
  if (type >>> 14 !== 0 || (type & ~0x0110) !== bindingMethod) return undefined;
  return classes[((type >>> 4) & 1) | ((type >>> 7) & 2)];
}

function typeOf(stunClass: StunClass): number {
  const bits = classes.indexOf(stunClass);
  return bindingMethod | ((bits & 1) << 4) | ((bits & 2) << 7);
}

function parseAttributes(packet: Buffer): readonly StunAttribute[] | undefined {
  const attributes: StunAttribute[] = [];
  for (let offset = headerBytes; offset < packet.length; ) {
    const type = packet.readUInt16BE(offset);
    const length = packet.readUInt16BE(offset + 2);
    const end = offset + 4 + length;
    if (end > packet.length || attributes.length === mostAttributes) return undefined;
    const value = packet.subarray(offset + 4, end);
    if (type === attributeType.fingerprint) {
      // It is the last one (RFC 8489 §14.7), so nothing that follows counts.
      return isFingerprint(packet, offset, value) ? attributes : undefined;
    }
    attributes.push({ type, value });
    offset = end + paddingOf(length);
  }
  return attributes;
}

function isFingerprint(packet: Buffer, offset: number, value: Buffer): boolean {
  const isLast = offset + 8 === packet.length && value.length === 4;
  return isLast && value.readUInt32BE(0) === fingerprintOf(packet.subarray(0, offset));
}

function fingerprintOf(covered: Buffer): number {
  return (crc32(covered) ^ fingerprintMask) >>> 0;
}

function encodeAttribute({ type, value }: StunAttribute): Buffer {
  const bytes = Buffer.alloc(4 + value.length + paddingOf(value.length));
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** Attributes begin at multiples of four bytes. */
function paddingOf(length: number): number {
  return (4 - (length % 4)) % 4;
}
