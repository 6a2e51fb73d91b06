/*
 * What is said between the ends of a tunnel. All of it fits into the smallest packet of IPv6, and
 * every bit that has no meaning is zero.
 *
 *     0       1        2     3      4                 8
 *     0x48 'H' version kind  flags  sequence number   link-local interface ids, 8 bytes each (strays)
 */

/** Of the other end, to be answered at once. */
export interface Ask {
  readonly kind: 'ask';
  /** 0 to 2^32 - 1; the answer repeats it. */
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
  /** The last 64 bits of the members' link-local addresses; at most `maxStraysPerMessage`. */
  readonly interfaceIds: readonly bigint[];
}

export type ProbeMessage = Ask | Answer | Strays;

/** 968 bytes with the header: less than the 1,232 that IPv6 carries everywhere. */
export const maxStraysPerMessage = 120;

const magic = 0x48;
const version = 1;
const kinds = ['ask', 'answer', 'strays'] as const;
const usingFlag = 1;
const hearsYouFlag = 2;
const headerBytes = 8;
const idBytes = 8;

/** @throws RangeError when there are more strays than a message holds */
export function encodeProbe(message: ProbeMessage): Uint8Array {
  const ids = message.kind === 'strays' ? message.interfaceIds : [];
  if (ids.length > maxStraysPerMessage) {
    throw new RangeError(`a message holds ${maxStraysPerMessage} strays, not ${ids.length}`);
  }
  const bytes = Buffer.alloc(headerBytes + ids.length * idBytes);
  bytes.writeUInt8(magic, 0);
  bytes.writeUInt8(version, 1);
  bytes.writeUInt8(kinds.indexOf(message.kind), 2);
  if (message.kind === 'ask') bytes.writeUInt8(flagsOf(message), 3);
  if (message.kind !== 'strays') bytes.writeUInt32BE(message.sequence, 4);
  for (const [at, id] of ids.entries()) bytes.writeBigUInt64BE(id, headerBytes + at * idBytes);
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
  const count = (bytes.length - headerBytes) / idBytes;
  if (!Number.isInteger(count) || count > maxStraysPerMessage) return undefined;
  const interfaceIds = Array.from({ length: count }, (_, at) =>
    bytes.readBigUInt64BE(headerBytes + at * idBytes),
  );
  return { kind: 'strays', interfaceIds };
}
