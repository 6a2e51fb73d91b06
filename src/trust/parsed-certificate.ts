import { X509Certificate } from 'node:crypto';
import { ecdsaWithSha256, p256SpkiLength, p256SpkiPrefix } from './certificate-profile.ts';
import { contextTag, type DerElement, derTag, readDerContent, readDerElements } from './der.ts';
import { malformed, wrongUse } from './trust-error.ts';

/** A certificate that parses and uses P-256 and ECDSA with SHA-256. Nothing in it is verified yet. */
export interface ParsedCertificate {
  /** OpenSSL's view of the same bytes. */
  readonly x509: X509Certificate;
  /** SubjectPublicKeyInfo; P-256, uncompressed, so that one key has one encoding. */
  readonly spki: Uint8Array;
  /** Name in DER; two bytes when empty. */
  readonly subject: Uint8Array;
  /** The first and the last moment of its validity. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** By object identifier (hexadecimal DER content); each occurs once. */
  readonly extensions: ReadonlyMap<string, ParsedExtension>;
}

export interface ParsedExtension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const what = 'the certificate';
/** As in stored records; ours are below two kilobytes. */
const maxPemLength = 16_384;
const pemBlock =
  /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----\s*$/;

/**
 * Parses one certificate: DER, exactly one PEM block, or what TLS has parsed already.
 * @throws TrustError `malformed`
 */
export function parseCertificate(input: X509Certificate | Uint8Array | string): ParsedCertificate {
  const x509 = input instanceof X509Certificate ? input : parseByOpenssl(input);
  const certificate = sequence(readDerContent(x509.raw, derTag.sequence, what));
  const [tbs, signatureAlgorithm, signature] = certificate;
  if (certificate.length !== 3 || tbs?.tag !== derTag.sequence || signature === undefined) {
    throw malformed(what, 'unexpected structure');
  }
  const body = readBody(tbs.content);
  if (![signatureAlgorithm, body.signatureAlgorithm].every(isEcdsaWithSha256)) {
    throw malformed(what, 'it is not signed with ECDSA and SHA-256');
  }
  return { x509, ...readPeriod(x509), ...body };
}

/** Whether these bytes are a P-256 public key in the one form that certificates carry. */
export function isP256Spki(spki: Uint8Array): boolean {
  return (
    spki.length === p256SpkiLength && p256SpkiPrefix.equals(spki.subarray(0, p256SpkiPrefix.length))
  );
}

/** Whether the extension is there with exactly this value (hexadecimal DER). */
export function hasValue(certificate: ParsedCertificate, oid: string, hex: string): boolean {
  const extension = certificate.extensions.get(oid);
  return extension !== undefined && Buffer.from(extension.value).toString('hex') === hex;
}

/** @throws TrustError `wrong-use` when an extension that must be processed is not (RFC 5280 §4.2) */
export function requireNoOtherCritical(
  certificate: ParsedCertificate,
  processed: readonly string[],
): void {
  for (const [oid, extension] of certificate.extensions) {
    if (extension.critical && !processed.includes(oid)) {
      throw wrongUse('it has a critical extension that Hanse does not use');
    }
  }
}

function parseByOpenssl(input: Uint8Array | string): X509Certificate {
  const der = typeof input === 'string' ? decodePem(input) : input;
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(der);
  } catch (cause) {
    throw malformed(what, 'OpenSSL cannot parse it', cause);
  }
  // OpenSSL ignores what follows the certificate.
  if (x509.raw.length !== der.length) throw malformed(what, 'more follows than one certificate');
  return x509;
}

function decodePem(text: string): Uint8Array {
  const base64 = text.length > maxPemLength ? undefined : pemBlock.exec(text)?.[1];
  if (base64 === undefined) throw malformed(what, 'expected one PEM block of type CERTIFICATE');
  return Buffer.from(base64, 'base64');
}

function readPeriod({ validFromDate, validToDate }: X509Certificate) {
  const period = { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
  // OpenSSL parses a certificate whose times are none.
  if (Object.values(period).some(Number.isNaN)) throw malformed(what, 'its period is no time');
  return period;
}

/** TBSCertificate (RFC 5280 §4.1.2) of version 3, without the unique identifiers nobody uses. */
function readBody(content: Uint8Array) {
  const fields = sequence(content);
  const [version, , signatureAlgorithm, , , subject, spki, extensions] = fields;
  if (fields.length !== 8 || version?.tag !== contextTag(0, 'constructed')) {
    throw malformed(what, 'it is not an X.509 version 3 certificate with extensions');
  }
  if (subject?.tag !== derTag.sequence) throw malformed(what, 'its subject is not a name');
  if (spki === undefined || !isP256Spki(spki.encoded)) {
    throw malformed(what, 'its public key is not on the curve P-256, uncompressed');
  }
  if (extensions?.tag !== contextTag(3, 'constructed')) throw malformed(what, 'no extensions');
  return {
    signatureAlgorithm,
    spki: spki.encoded,
    subject: subject.encoded,
    extensions: readExtensions(extensions.content),
  };
}

function readExtensions(content: Uint8Array): Map<string, ParsedExtension> {
  const extensions = new Map<string, ParsedExtension>();
  for (const element of sequence(readDerContent(content, derTag.sequence, what))) {
    const fields = sequence(element.content);
    const [oid, critical] = fields;
    const value = fields.at(-1);
    const isCritical = fields.length === 3 && critical?.tag === derTag.boolean;
    if (fields.length !== (isCritical ? 3 : 2) || oid?.tag !== derTag.objectIdentifier) {
      throw malformed(what, 'it has an extension of unexpected structure');
    }
    if (value?.tag !== derTag.octetString) throw malformed(what, 'an extension has no value');
    const key = Buffer.from(oid.content).toString('hex');
    if (extensions.has(key)) throw malformed(what, 'it has an extension twice');
    extensions.set(key, { critical: isCritical, value: value.content });
  }
  return extensions;
}

function sequence(content: Uint8Array): DerElement[] {
  return readDerElements(content, what);
}

function isEcdsaWithSha256(algorithm: DerElement | undefined): boolean {
  return algorithm !== undefined && ecdsaWithSha256.equals(algorithm.encoded);
}
