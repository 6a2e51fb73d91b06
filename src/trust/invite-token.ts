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
import { maxTokenLength } from '../model/token-text.ts';
import type { Issuer } from './certificate-authority.ts';
import {
  type CompactForm,
  type CompactJws,
  isSignedBy,
  jwsAlgorithm,
  parseJwsPart,
  readCompactJws,
  signCompactJws,
} from './compact-jws.ts';
import { malformed, TrustError } from './trust-error.ts';

/*
 * An invite token is signed by one of the subset's intermediates, `kid` says whose.
 */
const tokenType = 'hanse-invite';
const form: CompactForm = {
  what: 'the invite token',
  prefix: 'hanse_',
  missingPrefix: 'it must start with "hanse_", as "hanse invite create" prints it',
  remedy: 'copy the whole token again',
  // It is pasted into a terminal, and sent in a message that allows this much.
  maxLength: maxTokenLength,
};

const headerSchema = z.strictObject({
  alg: z.literal(jwsAlgorithm),
  typ: z.literal(tokenType),
  kid: masterNameSchema,
});

const payloadVersionSchema = z.looseObject({ v: z.number().int().positive() });

/**
 * 1 (2026-11-23): for one subset.
 * 2 (2026-11-29): for several, where `subset` is the one whose master says which, and counts the uses.
 */
const newestVersion = 2;

const payloadSchema = z.strictObject({
  v: z.literal([1, 2]),
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
  /** Which it is for; the home subset of an invite that is placed. */
  readonly subset: SubsetName;
  /** Whether placement decides which of the invite's subsets the newcomer gets: the home subset's master says it. */
  readonly isPlaced?: true;
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
  const header = { typ: tokenType, kid: scope.master };
  const token = await signCompactJws(form, { header, payload: payload.data }, issuer.privateKey);
  if (token.length <= form.maxLength) return token;
  throw new InvalidInputError(
    `the token would be ${token.length} characters long, ${form.maxLength} are allowed: name fewer masters or shorter hosts`,
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
  const { jws, signer, claims } = readToken(text, nowMs);
  if (claims.vpn !== vpn) throw elsewhere('wrong-vpn', 'VPN', vpn, claims.vpn);
  if (claims.subset !== subset) throw elsewhere('wrong-subset', 'subset', subset, claims.subset);
  const authority = authorities.get(signer);
  if (authority === undefined) throw forged('its signer is no authority of the subset');
  if (!isSignedBy(jws, authority)) throw forged('the signature is not that of the authority');
  return claims;
}

function readToken(
  text: string,
  nowMs: number,
): { readonly jws: CompactJws; readonly signer: MasterName; readonly claims: InviteClaims } {
  const jws = readCompactJws(text, form);
  const signer = parseJwsPart(headerSchema, jws.header, form).kid;
  const claims = claimsOf(parsePayload(jws.payload));
  requireUnexpired(claims, nowMs);
  return { jws, signer, claims };
}

function parsePayload(payload: unknown): Payload {
  const { v: version } = parseJwsPart(payloadVersionSchema, payload, form);
  if (version <= newestVersion) return parseJwsPart(payloadSchema, payload, form);
  throw new TrustError(
    `${form.what} has version ${version}, and this version of Hanse reads up to ${newestVersion}: update Hanse here`,
    { code: 'unknown-version', fields: { version } },
  );
}

function requireUnexpired({ expiresAtMs }: InviteClaims, nowMs: number): void {
  if (nowMs < expiresAtMs) return;
  const limit = new Date(expiresAtMs).toISOString();
  const now = new Date(nowMs).toISOString();
  throw new TrustError(
    `${form.what} expired at ${limit} (it is ${now} here): ask for a new one with "hanse invite create"`,
    { code: 'expired', fields: { limit } },
  );
}

function payloadOf(claims: InviteClaims): Payload {
  return {
    v: claims.isPlaced ? 2 : 1,
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
  if (first === undefined) throw malformed(form.what, 'it names no master');
  return {
    vpn: payload.vpn,
    subset: payload.subset,
    inviteId: payload.jti,
    expiresAtMs: payload.exp * 1_000,
    rootFingerprint: payload.root,
    control: [first, ...rest],
    ...(payload.v === 2 ? { isPlaced: true } : {}),
    ...(payload.name === undefined ? {} : { memberName: payload.name }),
  };
}

function elsewhere(
  code: 'wrong-vpn' | 'wrong-subset',
  kind: string,
  expected: string,
  actual: string,
): TrustError {
  return new TrustError(`${form.what} is for the ${kind} ${actual}, not for ${expected}`, {
    code,
    fields: { expected, actual },
  });
}

function forged(reason: string): TrustError {
  return new TrustError(`${form.what} was not signed by an authority of its subset: ${reason}`, {
    code: 'forged',
  });
}
