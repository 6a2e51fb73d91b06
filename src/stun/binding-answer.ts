import {
  encodeMappedAddress,
  encodeXorMappedAddress,
  type SocketAddress,
} from './mapped-address.ts';
import {
  attributeType,
  encodeStunMessage,
  magicCookie,
  parseStunMessage,
  type StunAttribute,
  type StunMessage,
} from './stun-message.ts';

/** What became of a packet. */
export type BindingOutcome = 'answered' | 'unknown-attributes' | 'ignored';

export interface BindingAnswer {
  readonly outcome: BindingOutcome;
  /** What to send back; absent where nothing is answered. */
  readonly packet?: Buffer;
}

/** No more of them are named than this, so that an answer stays short. */
const mostNamed = 8;

/** Those of authentication say nothing here, where nobody is authenticated (RFC 8489 §12). */
const understood: ReadonlySet<number> = new Set([
  attributeType.username,
  attributeType.messageIntegrity,
  attributeType.realm,
  attributeType.nonce,
  attributeType.messageIntegritySha256,
  attributeType.passwordAlgorithm,
  attributeType.userhash,
]);

/**
 * What a basic STUN server (RFC 8489 §12) says to a packet. Clients of RFC 3489 are answered as
 * RFC 5389 §12.2 has it.
 * @param software what it calls itself; at most 127 characters
 */
export function answerBinding(
  packet: Buffer,
  from: SocketAddress,
  software: string,
): BindingAnswer {
  const request = parseStunMessage(packet);
  if (request?.class !== 'request') return { outcome: 'ignored' };
  const unknown = request.attributes.filter((attribute) => !isUnderstood(attribute));
  const name = { type: attributeType.software, value: Buffer.from(software, 'utf8') };
  if (unknown.length > 0) {
    const attributes = [...unknownAttributes(unknown), name];
    const error: StunMessage = { ...request, class: 'error', attributes };
    return { outcome: 'unknown-attributes', packet: encodeStunMessage(error) };
  }
  // RFC 3489 knows that attribute as another one, whose length is a multiple of four.
  const isOld = request.cookie !== magicCookie;
  const attributes = [mapped(request, from), ...(isOld ? [] : [name])];
  const success: StunMessage = { ...request, class: 'success', attributes };
  return { outcome: 'answered', packet: encodeStunMessage(success) };
}

function isUnderstood({ type, value }: StunAttribute): boolean {
  if (type >= 0x8000 || understood.has(type)) return true;
  // RFC 3489's clients always have it, and ask for nothing where all of its bits are 0.
  return type === attributeType.changeRequest && value.every((byte) => byte === 0);
}

/** Error 420 (RFC 8489 §14.8, §14.9). */
function unknownAttributes(unknown: readonly StunAttribute[]): StunAttribute[] {
  const code = Buffer.concat([Buffer.from([0, 0, 4, 20]), Buffer.from('Unknown Attribute')]);
  const types = unknown.slice(0, mostNamed).map(({ type }) => type);
  const list = Buffer.alloc(types.length * 2);
  for (const [index, type] of types.entries()) list.writeUInt16BE(type, index * 2);
  return [
    { type: attributeType.errorCode, value: code },
    { type: attributeType.unknownAttributes, value: list },
  ];
}

function mapped(request: StunMessage, from: SocketAddress): StunAttribute {
  if (request.cookie !== magicCookie) {
    return { type: attributeType.mappedAddress, value: encodeMappedAddress(from) };
  }
  return { type: attributeType.xorMappedAddress, value: encodeXorMappedAddress(from, request) };
}
