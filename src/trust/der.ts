import { malformed } from './trust-error.ts';

/*
 * Just enough DER (X.690 §10) to take apart certificates that OpenSSL has parsed already, and to
 * compare their extensions byte by byte. It stands on the path of every connection and of a
 * member's start, where @peculiar/asn1-x509 would cost 24 ms of loading and 135 µs a certificate;
 * certificates are issued with that library, because there nothing is in a hurry.
 */

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of `[number]`: context-specific, constructed or primitive. */
export function contextTag(number: number, form: 'constructed' | 'primitive'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly encoded: Uint8Array;
}

/** Longer elements do not occur; it also keeps lengths within three bytes. */
const maxLengthBytes = 0xff_ff;

/**
 * The elements that the bytes consist of, not descending into them.
 * @param what names the thing read, for the message
 * @throws TrustError `malformed` for anything but whole elements in DER
 */
export function readDerElements(bytes: Uint8Array, what: string): DerElement[] {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const element = readElementAt(bytes, offset, what);
    elements.push(element);
    offset += element.encoded.length;
  }
  return elements;
}

/** The content of the one element that the bytes consist of. @throws TrustError `malformed` */
export function readDerContent(bytes: Uint8Array, tag: number, what: string): Uint8Array {
  const [element, ...rest] = readDerElements(bytes, what);
  if (element?.tag !== tag || rest.length > 0) throw malformed(what, 'unexpected structure');
  return element.content;
}

/** One element around the given contents. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  if (length > maxLengthBytes) throw new RangeError(`DER element of ${length} bytes`);
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(header), ...contents]);
}

function readElementAt(bytes: Uint8Array, offset: number, what: string): DerElement {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) throw malformed(what, 'it ends within an element');
  if ((tag & 0x1f) === 0x1f) throw malformed(what, 'it has a tag of more than one byte');
  const { length, headerLength } = readLength(bytes, offset + 1, first, what);
  const start = offset + headerLength;
  const end = start + length;
  if (end > bytes.length) throw malformed(what, 'it ends within an element');
  return { tag, content: bytes.subarray(start, end), encoded: bytes.subarray(offset, end) };
}

function readLength(bytes: Uint8Array, offset: number, first: number, what: string) {
  if (first < 0x80) return { length: first, headerLength: 2 };
  const high = bytes[offset + 1] ?? 0;
  if (first === 0x81 && high >= 0x80) return { length: high, headerLength: 3 };
  const length = high * 0x100 + (bytes[offset + 2] ?? 0);
  if (first === 0x82 && length >= 0x100) return { length, headerLength: 4 };
  throw malformed(what, 'it has a length that is not DER or not plausible');
}
