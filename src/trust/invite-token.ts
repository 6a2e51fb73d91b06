import { verify, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { endpointSchema } from '../model/endpoint.ts';
import { InvalidInputError } from '../model/error.ts';
import {
  type MasterName,
  masterNameSchema,
  memberNameSchema,
  type SubsetName,
  subsetNameSchema,
  type VpnName,
  vpnNameSchema,
} from '../model/names.ts';
import type { Issuer } from './certificate-authority.ts';
import { malformed, TrustError } from './trust-error.ts';

/*
 * An invite token is a JWS (RFC 7515, compact, ES256) behind a prefix by which people and secret
 * scanners know it. It is signed by one of the subset's intermediates, `kid` says whose.
 */
const tokenPrefix = 'hanse_';
const tokenType = 'hanse-invite';
const algorithm = 'ES256';
/** A token is pasted into a terminal, and sent in a message that allows this much. */
const maxTokenLength = 4_096;
/** Two 32-byte numbers (RFC 7518 §3.4). */
const signatureLength = 64;
const what = 'the invite token';

const headerSchema = z.strictObject({
  alg: z.literal(algorithm),
  typ: z.literal(tokenType),
  kid: masterNameSchema,
});

const payloadVersionSchema = z.looseObject({ v: z.number().int().positive() });

const payloadSchema = z.strictObject({
  v: z.literal(1),
  vpn: vpnNameSchema,
  subset: subsetNameSchema,
  jti: z.uuid(),
  /** Seconds since the Unix epoch. */
  exp: z.number().int().positive().max(253_402_300_799),
  /** SHA-256 of the root certificate. */
  root: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  masters: z
    .array(z.tuple([masterNameSchema, endpointSchema]))
    .min(1)
    .max(9),
  name: memberNameSchema.optional(),
});
type Payload = z.infer<typeof payloadSchema>;

/** Where a master of the subset listens, and who must answer there. */
export interface ControlContact {
  readonly master: MasterName;
  readonly endpoint: Payload['masters'][number][1];
}

/** What an invite says. */
export interface InviteClaims {
  readonly vpn: VpnName;
  readonly subset: SubsetName;
  /** Of the invite's record, which says how often it may still be used. */
  readonly inviteId: string;
  /** A whole second. */
  readonly expiresAtMs: number;
  /** As `rootFingerprint` gives it: the first contact trusts this root and no other. */
  readonly rootFingerprint: string;
  /** One to nine; the acting master first, then its backups. */
  readonly control: readonly [ControlContact, ...ControlContact[]];
  /** When there, the only name that the invite admits. */
  readonly memberName?: z.infer<typeof memberNameSchema>;
}

export interface VerifyInviteOptions {
  readonly vpn: VpnName;
  readonly subset: SubsetName;
  /** PEM of the subset's intermediates, by master. */
  readonly authorities: ReadonlyMap<MasterName, string>;
  readonly nowMs: number;
}

/**
 * Makes a token. The VPN and the subset are those of the authority that signs it.
 * @throws InvalidInputError when a claim is invalid, the token gets longer than 4,096 characters,
 *   or the issuer is not the authority of a subset
 */
export async function createInviteToken(
  claims: Omit<InviteClaims, 'vpn' | 'subset'>,
  issuer: Issuer,
): Promise<string> {
  const { scope } = issuer;
  if (scope.kind !== 'subset') {
    throw new InvalidInputError('invites are signed by the authority of a subset, not by the root');
  }
  const payload = payloadSchema.safeParse(payloadOf({ ...claims, ...scope }));
  if (!payload.success) {
    throw new InvalidInputError(`not a valid invite: ${z.prettifyError(payload.error)}`);
  }
  const { CompactSign } = await import('jose/jws/compact/sign');
  const jws = await new CompactSign(Buffer.from(JSON.stringify(payload.data)))
    .setProtectedHeader({ alg: algorithm, typ: tokenType, kid: scope.master })
    .sign(issuer.privateKey);
  const token = `${tokenPrefix}${jws}`;
  if (token.length <= maxTokenLength) return token;
  throw new InvalidInputError(
    `the token would be ${token.length} characters long, ${maxTokenLength} are allowed: name fewer masters or shorter hosts`,
  );
}

/**
 * Reads a token without verifying who signed it, which only the subset's masters can. White space
 * that copying added is ignored. Loads no library: members start with this.
 * @throws TrustError `malformed`, `unknown-version`, `expired`
 */
export function readInviteToken(text: string, { nowMs }: { readonly nowMs: number }): InviteClaims {
  return readToken(text, nowMs).claims;
}

/**
 * Reads a token and verifies that an authority of the subset signed it. Whether the invite has
 * been used or revoked is not in the token.
 * @throws TrustError `malformed`, `unknown-version`, `expired`, `wrong-vpn`, `wrong-subset`, `forged`
 */
export async function verifyInviteToken(
  text: string,
  { vpn, subset, authorities, nowMs }: VerifyInviteOptions,
): Promise<InviteClaims> {
  const { signed, signature, signer, claims } = readToken(text, nowMs);
  if (claims.vpn !== vpn) throw elsewhere('wrong-vpn', 'VPN', vpn, claims.vpn);
  if (claims.subset !== subset) throw elsewhere('wrong-subset', 'subset', subset, claims.subset);
  const authority = authorities.get(signer);
  if (authority === undefined) throw forged('its signer is no authority of the subset');
  const { publicKey } = new X509Certificate(authority);
  // Node's own, because a master verifies one for each join, and `jose` takes three times as long.
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', signed, key, signature)) {
    throw forged('the signature is not that of the authority');
  }
  return claims;
}

function readToken(text: string, nowMs: number) {
  // The limit allows for a line break every few characters, and keeps the work below bounded.
  if (text.length > 2 * maxTokenLength) throw malformed(what, 'it is too long');
  const token = text.replace(/\s+/g, '');
  if (token.length > maxTokenLength) throw malformed(what, 'it is too long');
  if (!token.startsWith(tokenPrefix)) {
    throw malformed(
      what,
      `it must start with "${tokenPrefix}", as "hanse invite create" prints it`,
    );
  }
  const jws = token.slice(tokenPrefix.length);
  const [header, payload, signature, ...rest] = jws.split('.');
  if (header === undefined || payload === undefined || rest.length > 0) throw cutOff();
  const signatureBytes = decodePart(signature ?? '');
  if (signatureBytes.length !== signatureLength) throw cutOff();
  const signer = parsePart(headerSchema, header).kid;
  const claims = claimsOf(parsePayload(payload));
  requireUnexpired(claims, nowMs);
  const signed = Buffer.from(`${header}.${payload}`);
  return { signed, signature: signatureBytes, signer, claims };
}

function parsePayload(text: string): Payload {
  const { v: version } = parsePart(payloadVersionSchema, text);
  if (version === 1) return parsePart(payloadSchema, text);
  throw new TrustError(
    `${what} has version ${version}, and this version of Hanse reads version 1: update Hanse here`,
    { code: 'unknown-version', fields: { version } },
  );
}

function parsePart<S extends z.ZodType>(schema: S, text: string): z.infer<S> {
  const bytes = decodePart(text);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw malformed(what, 'a part of it is not JSON; copy the whole token again', cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw malformed(what, `a part of it is not valid: ${z.prettifyError(result.error)}`);
}

/** Base64url has several spellings for one value; a token has one. */
function decodePart(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw cutOff();
  return bytes;
}

function requireUnexpired({ expiresAtMs }: InviteClaims, nowMs: number): void {
  if (nowMs < expiresAtMs) return;
  const limit = new Date(expiresAtMs).toISOString();
  const now = new Date(nowMs).toISOString();
  throw new TrustError(
    `${what} expired at ${limit} (it is ${now} here): ask for a new one with "hanse invite create"`,
    { code: 'expired', fields: { limit } },
  );
}

function payloadOf(claims: InviteClaims): Payload {
  return {
    v: 1,
    vpn: claims.vpn,
    subset: claims.subset,
    jti: claims.inviteId,
    exp: Math.floor(claims.expiresAtMs / 1_000),
    root: claims.rootFingerprint,
    masters: claims.control.map(({ master, endpoint }) => [master, endpoint]),
    ...(claims.memberName === undefined ? {} : { name: claims.memberName }),
  };
}

function claimsOf(payload: Payload): InviteClaims {
  const [first, ...rest] = payload.masters.map(([master, endpoint]) => ({ master, endpoint }));
  if (first === undefined) throw malformed(what, 'it names no master');
  return {
    vpn: payload.vpn,
    subset: payload.subset,
    inviteId: payload.jti,
    expiresAtMs: payload.exp * 1_000,
    rootFingerprint: payload.root,
    control: [first, ...rest],
    ...(payload.name === undefined ? {} : { memberName: payload.name }),
  };
}

function cutOff(): TrustError {
  return malformed(what, 'it is cut off or misspelt; copy the whole token again');
}

function elsewhere(
  code: 'wrong-vpn' | 'wrong-subset',
  kind: string,
  expected: string,
  actual: string,
): TrustError {
  return new TrustError(`${what} is for the ${kind} ${actual}, not for ${expected}`, {
    code,
    fields: { expected, actual },
  });
}

function forged(reason: string): TrustError {
  return new TrustError(`${what} was not signed by an authority of its subset: ${reason}`, {
    code: 'forged',
  });
}
