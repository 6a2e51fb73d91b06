import { z } from 'zod';
import { InvalidInputError } from '../model/error.ts';
import {
  type MasterName,
  masterNameSchema,
  type SubsetName,
  subsetNameSchema,
  vpnNameSchema,
} from '../model/names.ts';
import { type IdentityKey, identityKeySchema } from '../model/records/parts.ts';
import { maxTokenLength } from '../model/token-text.ts';
import type { Issuer } from './certificate-authority.ts';
import { verifyIntermediate } from './certificate-check.ts';
import {
  type CompactForm,
  isSignedBy,
  jwsAlgorithm,
  parseJwsPart,
  readCompactJws,
  signCompactJws,
} from './compact-jws.ts';
import { TrustError } from './trust-error.ts';

/*
 * A claim is what a newcomer presents to the subset that it was placed in, in place of its token. It
 * is signed by an authority of the invite's home subset, whose certificate is in its header (RFC 7515
 * §4.1.6), because the masters of other subsets need not have it.
 */
const form: CompactForm = {
  what: 'the placement claim',
  prefix: 'hanse-claim_',
  missingPrefix: 'it must start with "hanse-claim_"',
  remedy: 'ask for another place',
  maxLength: maxTokenLength,
};

const headerSchema = z.strictObject({
  alg: z.literal(jwsAlgorithm),
  typ: z.literal('hanse-placement'),
  kid: masterNameSchema,
  /** The authority's certificate: base64 of its DER. */
  x5c: z.tuple([z.string().regex(/^[A-Za-z0-9+/]{1,2048}={0,2}$/)]),
});

const payloadSchema = z.strictObject({
  v: z.literal(1),
  vpn: vpnNameSchema,
  home: subsetNameSchema,
  subset: subsetNameSchema,
  jti: z.uuid(),
  use: z.number().int().min(0).max(999_999),
  turn: z.number().int().min(1).max(1_000_000),
  /** The newcomer's identity key. */
  sub: identityKeySchema,
  /** Seconds since the Unix epoch. */
  exp: z.number().int().positive().max(253_402_300_799),
});

/** One place, for one node, by one use of an invite. */
export interface PlacementClaim {
  /** Whose masters decide for the invite, and count its uses. */
  readonly home: SubsetName;
  /** Where the node may join. */
  readonly subset: SubsetName;
  readonly inviteId: string;
  /** Which use of the invite it is; 0 to `uses` - 1. */
  readonly use: number;
  /** How many places the use has been given, this one included: an earlier one counts no more where a later one is known. */
  readonly turn: number;
  /** Nobody else may present it. */
  readonly identityKey: IdentityKey;
  /** A whole second. */
  readonly expiresAtMs: number;
}

/** A claim whose signature holds. */
export interface SignedClaim extends PlacementClaim {
  /** Whose authority of the home subset signed it; the master may serve that subset no more. */
  readonly signer: MasterName;
}

/** @throws InvalidInputError when a value is invalid, or the issuer is not the authority of the home subset */
export async function createPlacementClaim(
  claim: PlacementClaim,
  { scope, certificatePem, privateKey }: Issuer,
): Promise<string> {
  if (scope.kind !== 'subset' || scope.subset !== claim.home) {
    throw new InvalidInputError('claims are signed by an authority of the invite’s home subset');
  }
  const payload = payloadSchema.safeParse({
    ...{ v: 1, vpn: scope.vpn, home: claim.home, subset: claim.subset, jti: claim.inviteId },
    ...{ use: claim.use, turn: claim.turn, sub: claim.identityKey },
    exp: Math.floor(claim.expiresAtMs / 1_000),
  });
  if (!payload.success) {
    throw new InvalidInputError(`not a valid claim: ${z.prettifyError(payload.error)}`);
  }
  const header = { typ: 'hanse-placement', kid: scope.master, x5c: [derOf(certificatePem)] };
  return signCompactJws(form, { header, payload: payload.data }, privateKey);
}

/**
 * Reads a claim and verifies that an authority of its home subset signed it, by a chain to the root.
 * Whether the signer serves that subset still, whether that subset may place anybody by the invite, and
 * whether the claim's time is over, is the caller's to ask.
 * @throws TrustError `malformed`, `wrong-vpn`, `forged`, and as `verifyIntermediate`
 */
export async function verifyPlacementClaim(
  text: string,
  {
    vpn,
    rootCertificate,
    nowMs,
  }: {
    readonly vpn: string;
    /** PEM */
    readonly rootCertificate: string;
    readonly nowMs: number;
  },
): Promise<SignedClaim> {
  const jws = readCompactJws(text, form);
  const { kid, x5c } = parseJwsPart(headerSchema, jws.header, form);
  const payload = parseJwsPart(payloadSchema, jws.payload, form);
  if (payload.vpn !== vpn) {
    const fields = { expected: vpn, actual: payload.vpn };
    throw new TrustError(`${form.what} is of the VPN ${payload.vpn}, not of ${vpn}`, {
      code: 'wrong-vpn',
      fields,
    });
  }
  const certificate = pemOf(x5c[0]);
  const scope = await verifyIntermediate({ certificate, root: rootCertificate, nowMs });
  if (scope.subset !== payload.home || scope.master !== kid) {
    throw forged(
      `its signer is an authority of ${scope.subset}, and it speaks for ${payload.home}`,
    );
  }
  if (!isSignedBy(jws, certificate)) throw forged('the signature is not that of the authority');
  const { home, subset, jti, use, turn, sub, exp } = payload;
  return {
    ...{ home, subset, inviteId: jti, use, turn, identityKey: sub },
    expiresAtMs: exp * 1_000,
    signer: scope.master,
  };
}

function derOf(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s+/g, '');
}

function pemOf(base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function forged(reason: string): TrustError {
  return new TrustError(`${form.what} was not signed by its home subset: ${reason}`, {
    code: 'forged',
  });
}
