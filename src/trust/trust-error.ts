import { HanseError } from '../model/error.ts';

/**
 * Certificates:
 * - `malformed`: does not parse, or not in the one form that Hanse writes. Fields: `what`.
 * - `no-name`: the leaf has no subject alternative name.
 * - `extra-name`: it has another name, or one of another type, beside or instead of its DNS name.
 * - `wrong-use`: a CA where a leaf belongs, a key usage or critical extension that is not ours.
 * - `wrong-vpn`, `wrong-subset`, `wrong-identity`: good for somebody else. Fields: `expected`, `actual`.
 * - `out-of-scope`: binds an address outside of its authority's block. Fields: `expected`, `actual`.
 * - `expired`, `not-yet-valid`. Fields: `name`, `limit` (ISO 8601).
 * - `untrusted`: no path to the pinned root. Fields: `name`.
 *
 * Invite tokens: `malformed`, `unknown-version` (fields: `version`), `expired` (fields: `limit`),
 * `wrong-vpn`, `wrong-subset`, and
 * - `forged`: not signed by an authority of the subset.
 *
 * Sealed values: `malformed`, and
 * - `wrong-sealing-key`: sealed with another key. Fields: `expected`, `actual` (key ids).
 * - `tampered`: changed, or moved here from another place. Fields: `context`.
 */
export type TrustErrorCode =
  | 'malformed'
  | 'no-name'
  | 'extra-name'
  | 'wrong-use'
  | 'wrong-vpn'
  | 'wrong-subset'
  | 'wrong-identity'
  | 'out-of-scope'
  | 'expired'
  | 'not-yet-valid'
  | 'untrusted'
  | 'unknown-version'
  | 'forged'
  | 'wrong-sealing-key'
  | 'tampered';

/** Something that should have proved itself did not. Never retryable: the same proof fails again. */
export class TrustError extends HanseError<TrustErrorCode> {}

/** A `malformed` error; `what` names the thing that was read, never its content. */
export function malformed(what: string, reason: string, cause?: unknown): TrustError {
  return new TrustError(`${what} is malformed: ${reason}`, {
    code: 'malformed',
    fields: { what },
    cause,
  });
}

/** A `wrong-use` error: a certificate of another form than its role has. */
export function wrongUse(reason: string): TrustError {
  return new TrustError(`the certificate cannot be used here: ${reason}`, { code: 'wrong-use' });
}
