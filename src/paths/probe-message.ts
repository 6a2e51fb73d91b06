/*
 * What is said between the ends of a tunnel. All of it fits into the smallest packet of IPv6, and
 * every bit that has no meaning is zero.
 *
 *     0       1        2     3      4                 8
 *     0x48 'H' version kind  flags  sequence number   of each stray: interface id (8), sequence (4)
 */

/** Of the other end, to be answered at once. */
export interface Ask {
  readonly kind: 'ask';
  /** 0 to 2^32 - 1, after which it begins anew; the sender counts over all of its paths. The answer repeats it. */
  readonly sequence: number;
  /** Whether the sender sends its packets by this tunnel now. */
  readonly using: boolean;
  /** Whether the sender has received anything by this tunnel lately. */
  readonly hearsYou: boolean;
}

export interface Answer {
  readonly kind: 'answer';
  readonly sequence: number;
}

/** Members that use the sender although their addresses' block is another master's. */
export interface Strays {
  readonly kind: 'strays';
  /** At most `maxStraysPerMessage`. */
  readonly strays: readonly Stray[];
}

export interface Stray {
  /** The last 64 bits of the member's link-local address. */
  readonly interfaceId: bigint;
  /** Of the last ask by which the member said that it uses the sender: a later one counts more. */
  readonly sequence: number;
}

export type ProbeMessage = Ask | Answer | Strays;

/** 1,208 bytes with the header: less than the 1,232 that IPv6 carries everywhere. */
export const maxStraysPerMessage = 100;

const magic = 0x48;
const version = 1;
const kinds = ['ask', 'answer', 'strays'] as const;
const usingFlag = 1;
const hearsYouFlag = 2;
const headerBytes = 8;
const strayBytes = 12;

/** @throws RangeError when there are more strays than a message holds */
export function encodeProbe(message: ProbeMessage): Uint8Array {
  const strays = message.kind === 'strays' ? message.strays : [];
  if (strays.length > maxStraysPerMessage) {
    throw new RangeError(`a message holds ${maxStraysPerMessage} strays, not ${strays.length}`);
  }
  const bytes = Buffer.alloc(headerBytes + strays.length * strayBytes);
  bytes.writeUInt8(magic, 0);
  bytes.writeUInt8(version, 1);
  bytes.writeUInt8(kinds.indexOf(message.kind), 2);
  if (message.kind === 'ask') bytes.writeUInt8(flagsOf(message), 3);
  if (message.kind !== 'strays') bytes.writeUInt32BE(message.sequence, 4);
  for (const [at, { interfaceId, sequence }] of strays.entries()) {
    bytes.writeBigUInt64BE(interfaceId, headerBytes + at * strayBytes);
    bytes.writeUInt32BE(sequence, headerBytes + at * strayBytes + 8);
  }
  return bytes;
}

function flagsOf({ using, hearsYou }: Ask): number {
  return (using ? usingFlag : 0) | (hearsYou ? hearsYouFlag : 0);
}

/** @returns undefined for what is no message of this version, whole and exact */
export function parseProbe(bytes: Buffer): ProbeMessage | undefined {
  if (bytes.length < headerBytes || bytes[0] !== magic || bytes[1] !== version) return undefined;
  const kind = kinds[bytes[2] ?? kinds.length];
  const flags = bytes.readUInt8(3);
  const sequence = bytes.readUInt32BE(4);
  if (kind === 'strays') return flags === 0 && sequence === 0 ? parseStrays(bytes) : undefined;
  if (bytes.length !== headerBytes) return undefined;
  if (kind === 'answer') return flags === 0 ? { kind, sequence } : undefined;
  if (kind !== 'ask' || flags > (usingFlag | hearsYouFlag)) return undefined;
  return {
    kind,
    sequence,
    using: (flags & usingFlag) !== 0,
    hearsYou: (flags & hearsYouFlag) !== 0,
  };
}

function parseStrays(bytes: Buffer): Strays | undefined {
  const count = (bytes.length - headerBytes) / strayBytes;
  if (!Number.isInteger(count) || count > maxStraysPerMessage) return undefined;
  const strays = Array.from({ length: count }, (_, at) => ({
    interfaceId: bytes.readBigUInt64BE(headerBytes + at * strayBytes),
    sequence: bytes.readUInt32BE(headerBytes + at * strayBytes + 8),
  }));
  return { kind: 'strays', strays };
}

/** Whether a sequence number is after another one: by less than half of all there are (RFC 1982). */
export function isLater(sequence: number, other: number): boolean {
  const distance = (sequence - other) >>> 0;
  return distance > 0 && distance < 2 ** 31;
}
