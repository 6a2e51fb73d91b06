import { type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AttributeTypeAndValue,
  AttributeValue,
  Extension,
  Name,
  RelativeDistinguishedName,
} from '@peculiar/asn1-x509';
import { clockSkewMs } from '../model/clock-skew.ts';
import { ecdsaWithSha256 } from './certificate-profile.ts';
import { contextTag, derTag, encodeDer } from './der.ts';

/** Runs on libuv's threads, so that a master goes on serving while it signs. */
const signInBackground = promisify<string, Uint8Array, KeyObject, Buffer>(sign);

const version3 = encodeDer(contextTag(0, 'constructed'), Buffer.from('020102', 'hex'));

/** Milliseconds since the Unix epoch; certificates carry whole seconds, rounded down. */
export interface CertificatePeriod {
  /** Now. The certificate itself says `clockSkewMs` earlier. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface CertificateContents {
  readonly issuer: Name;
  readonly subject: Name;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  readonly period: CertificatePeriod;
  readonly extensions: readonly Extension[];
}

/** Signs with ECDSA and SHA-256, whatever the contents are. @returns PEM */
export async function signCertificate(
  contents: CertificateContents,
  issuerKey: KeyObject,
): Promise<string> {
  const tbs = toBeSigned(contents);
  const signature = await signInBackground('sha256', tbs, issuerKey);
  const unusedBits = Uint8Array.of(0);
  const bitString = encodeDer(derTag.bitString, unusedBits, signature);
  const certificate = encodeDer(derTag.sequence, tbs, ecdsaWithSha256, bitString);
  return new X509Certificate(certificate).toString();
}

/** A name of one attribute each, from the outermost to the innermost. */
export function distinguishedName(...attributes: readonly (readonly [string, string])[]): Name {
  return new Name(
    attributes.map(
      ([type, utf8String]) =>
        new RelativeDistinguishedName([
          new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
        ]),
    ),
  );
}

/** @param value DER, or its hexadecimal form */
export function extension(
  oid: string,
  value: Uint8Array | string,
  options: { readonly critical: boolean },
): Extension {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'hex') : value;
  return new Extension({
    extnID: oid,
    critical: options.critical,
    extnValue: new OctetString(bytes),
  });
}

/**
 * TBSCertificate (RFC 5280 §4.1). Put together here, because the library's own way of it would be
 * most of the time that a certificate takes, and a master issues one for each join.
 */
function toBeSigned({
  issuer,
  subject,
  spki,
  period,
  extensions,
}: CertificateContents): Uint8Array {
  const validity = [period.fromMs - clockSkewMs, period.untilMs].map(encodeTime);
  return encodeDer(
    derTag.sequence,
    version3,
    encodeDer(derTag.integer, randomSerial()),
    ecdsaWithSha256,
    serialize(issuer),
    encodeDer(derTag.sequence, ...validity),
    serialize(subject),
    spki,
    encodeDer(
      contextTag(3, 'constructed'),
      encodeDer(derTag.sequence, ...extensions.map(serialize)),
    ),
  );
}

function serialize(part: Name | Extension): Uint8Array {
  return new Uint8Array(AsnConvert.serialize(part));
}

/** Years have two digits until 2049, and four from then on (RFC 5280 §4.1.2.5). */
function encodeTime(atMs: number): Uint8Array {
  const digits = new Date(atMs).toISOString().replace(/\.\d+Z$|\D/g, '');
  return digits < '2050'
    ? encodeDer(derTag.utcTime, Buffer.from(`${digits.slice(2)}Z`))
    : encodeDer(derTag.generalizedTime, Buffer.from(`${digits}Z`));
}

/** 16 random bytes as a positive INTEGER of minimal length: the first bits are 01. */
function randomSerial(): Uint8Array {
  const serial = new Uint8Array(randomBytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
