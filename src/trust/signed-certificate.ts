import { type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Extension,
  Extensions,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { clockSkewMs } from '../model/clock-skew.ts';
import { ecdsaWithSha256 } from './certificate-profile.ts';
import { derTag, encodeDer } from './der.ts';

/** Runs on libuv's threads, so that a master goes on serving while it signs. */
const signInBackground = promisify<string, Uint8Array, KeyObject, Buffer>(sign);

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
  const tbs = new Uint8Array(AsnConvert.serialize(toBeSigned(contents)));
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

function toBeSigned(contents: CertificateContents): TBSCertificate {
  const notBeforeMs = contents.period.fromMs - clockSkewMs;
  return new TBSCertificate({
    version: Version.v3,
    serialNumber: randomSerial(),
    signature: new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }),
    issuer: contents.issuer,
    validity: new Validity({
      notBefore: new Date(notBeforeMs),
      notAfter: new Date(contents.period.untilMs),
    }),
    subject: contents.subject,
    subjectPublicKeyInfo: AsnConvert.parse(contents.spki, SubjectPublicKeyInfo),
    extensions: new Extensions([...contents.extensions]),
  });
}

/** 16 random bytes as a positive INTEGER of minimal length: the first bits are 01. */
function randomSerial(): ArrayBuffer {
  const serial = new Uint8Array(randomBytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial.buffer;
}
