import { type KeyObject, verify, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { malformed, type TrustError } from './trust-error.ts';

export const jwsAlgorithm = 'ES256';
/** Two 32-byte numbers (RFC 7518 §3.4). */
const signatureLength = 64;

/** What is signed, as people read of it and as it is told from other texts. */
export interface CompactForm {
  /** As in "the invite token is malformed". */
  readonly what: string;
  /** By which people and secret scanners know it. */
  readonly prefix: string;
  /** What to say to who has something else. */
  readonly missingPrefix: string;
  /** What to do about one that is cut off. */
  readonly remedy: string;
  readonly maxLength: number;
}

/** A text that was read and not verified. */
export interface CompactJws {
  readonly header: unknown;
  readonly payload: unknown;
  /** What the signature is of. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Signs a JWS (RFC 7515, compact, ES256), and puts the form's prefix before it. */
export async function signCompactJws(
  { prefix }: CompactForm,
  { header, payload }: { readonly header: object; readonly payload: object },
  privateKey: KeyObject,
): Promise<string> {
  const { CompactSign } = await import('jose/jws/compact/sign');
  const jws = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: jwsAlgorithm, ...header })
    .sign(privateKey);
  return `${prefix}${jws}`;
}

/**
 * Takes a text apart without verifying it. White space that copying added is ignored. Loads no
 * library: members start with this.
 * @throws TrustError `malformed`
 */
export function readCompactJws(text: string, form: CompactForm): CompactJws {
  const { what, prefix, maxLength } = form;
  // The limit allows for a line break every few characters, and keeps the work below bounded.
  if (text.length > 2 * maxLength) throw malformed(what, 'it is too long');
  const whole = text.replace(/\s+/g, '');
  if (whole.length > maxLength) throw malformed(what, 'it is too long');
  if (!whole.startsWith(prefix)) throw malformed(what, form.missingPrefix);
  const [header, payload, signature, ...rest] = whole.slice(prefix.length).split('.');
  if (header === undefined || payload === undefined || rest.length > 0) throw cutOff(form);
  const signatureBytes = decodePart(signature ?? '', form);
  if (signatureBytes.length !== signatureLength) throw cutOff(form);
  return {
    header: parseJson(header, form),
    payload: parseJson(payload, form),
    signed: Buffer.from(`${header}.${payload}`),
    signature: signatureBytes,
  };
}

/** A part of one in the form that it must have. @throws TrustError `malformed` */
export function parseJwsPart<S extends z.ZodType>(
  schema: S,
  part: unknown,
  { what }: CompactForm,
): z.infer<S> {
  const result = schema.safeParse(part);
  if (result.success) return result.data;
  throw malformed(what, `a part of it is not valid: ${z.prettifyError(result.error)}`);
}

/** Whether the key of the certificate (PEM) has signed it. */
export function isSignedBy({ signed, signature }: CompactJws, certificate: string): boolean {
  const { publicKey } = new X509Certificate(certificate);
  // Node's own, because a master verifies one for each join, and `jose` takes three times as long.
  return verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function parseJson(text: string, form: CompactForm): unknown {
  const bytes = decodePart(text, form);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw malformed(form.what, `a part of it is not JSON; ${form.remedy}`, cause);
  }
}

/** Base64url has several spellings for one value; a text has one. */
function decodePart(text: string, form: CompactForm): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw cutOff(form);
  return bytes;
}

function cutOff({ what, remedy }: CompactForm): TrustError {
  return malformed(what, `it is cut off or misspelt; ${remedy}`);
}
