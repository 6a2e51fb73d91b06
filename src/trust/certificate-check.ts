import { createHash } from 'node:crypto';
import { dnsNameOf, type Identity } from '../model/names.ts';
import { readIntermediate, readRoot } from './authority-certificate.ts';
import { type LeafIdentity, readLeaf } from './leaf-certificate.ts';
import { type ParsedCertificate, parseCertificate } from './parsed-certificate.ts';
import { findPathFault } from './path-validation.ts';
import { malformed, TrustError, wrongUse } from './trust-error.ts';

export interface ChainCheck {
  /** PEM; the leaf first, then a member's intermediate; never the root. */
  readonly chain: readonly string[];
  /** PEM of the pinned root, which the caller has reason to trust. */
  readonly root: string;
  readonly nowMs: number;
  /** A kind of identity in the root's VPN, or exactly one identity. */
  readonly expected: Identity['kind'] | Identity;
}

/**
 * Checks a chain that came without a TLS connection, such as that of a peer or of a master's
 * record. Holds after it returns: the chain leads to the root (RFC 5280 §6, name constraints
 * included), every certificate in it is valid now and has the form of its role, and the leaf has
 * one name, which is that of the expected identity. Masters and operators come from the root
 * itself, members from an intermediate of exactly their subset.
 * @throws TrustError `malformed`, `no-name`, `extra-name`, `wrong-use`, `wrong-vpn`,
 *   `wrong-subset`, `wrong-identity`, `expired`, `not-yet-valid`, `untrusted`
 */
export async function verifyChain(check: ChainCheck): Promise<LeafIdentity> {
  if (check.chain.length === 0 || check.chain.length > 2) {
    throw malformed('the certificate chain', 'expected a leaf and at most one intermediate');
  }
  const chain = check.chain.map(parseCertificate);
  const root = parseCertificate(check.root);
  const [leaf, intermediate] = chain as [ParsedCertificate, ParsedCertificate?];
  const result = readLeaf(leaf);
  requireIdentity(result.identity, check.expected, root);
  requireIssuerOf(result.identity, intermediate);
  const path = [...chain, root];
  for (const certificate of path) requireValidAt(check.nowMs, certificate, result.identity);
  requireSignatures(path, result.identity);
  const authorities =
    intermediate === undefined ? ([root.x509] as const) : ([intermediate.x509, root.x509] as const);
  const fault = await findPathFault({ leaf: leaf.x509, authorities }, check.nowMs);
  if (fault !== undefined) throw untrusted(result.identity, `PKI.js refuses the path: ${fault}`);
  return result;
}

/** SHA-256 of a root certificate's DER, base64url: what invites carry. @throws TrustError `malformed`, `wrong-use` */
export function rootFingerprint(rootPem: string): string {
  const root = parseCertificate(rootPem);
  readRoot(root);
  return createHash('sha256').update(root.x509.raw).digest('base64url');
}

function requireIdentity(
  identity: Identity,
  expected: ChainCheck['expected'],
  root: ParsedCertificate,
): void {
  const exact = typeof expected === 'string' ? undefined : expected;
  const expectedVpn = exact?.vpn ?? readRoot(root).vpn;
  const actual = dnsNameOf(identity);
  if (identity.vpn !== expectedVpn) {
    throw mismatch('wrong-vpn', { actual, expected: expectedVpn });
  }
  const isOtherSubset =
    exact?.kind === 'member' && identity.kind === 'member' && exact.subset !== identity.subset;
  if (isOtherSubset) throw mismatch('wrong-subset', { actual, expected: exact.subset });
  const isExpected = exact === undefined ? identity.kind === expected : dnsNameOf(exact) === actual;
  if (isExpected) return;
  const described = exact === undefined ? `a ${expected}` : dnsNameOf(exact);
  throw mismatch('wrong-identity', { actual, expected: described });
}

function requireIssuerOf(identity: Identity, intermediate: ParsedCertificate | undefined): void {
  if (identity.kind !== 'member') {
    if (intermediate === undefined) return;
    throw wrongUse(`a ${identity.kind} is certified by the root itself, not by an intermediate`);
  }
  if (intermediate === undefined) {
    throw wrongUse('a member is certified by an intermediate of its subset, which is missing');
  }
  const scope = readIntermediate(intermediate);
  if (scope.vpn !== identity.vpn || scope.subset !== identity.subset) {
    const actual = `an authority of ${scope.subset} in ${scope.vpn}`;
    throw mismatch('wrong-subset', { actual, expected: identity.subset });
  }
}

function requireValidAt(nowMs: number, { x509 }: ParsedCertificate, identity: Identity): void {
  const name = dnsNameOf(identity);
  const notBefore = x509.validFromDate;
  const notAfter = x509.validToDate;
  if (!(notBefore.getTime() <= nowMs)) {
    const limit = isoTime(notBefore);
    throw new TrustError(`the chain of ${name} holds a certificate that starts at ${limit} only`, {
      code: 'not-yet-valid',
      fields: { name, limit },
    });
  }
  if (!(nowMs <= notAfter.getTime())) {
    const limit = isoTime(notAfter);
    throw new TrustError(`the chain of ${name} holds a certificate that expired at ${limit}`, {
      code: 'expired',
      fields: { name, limit },
    });
  }
}

/** Every certificate is issued and signed by the next; the last is the root. */
function requireSignatures(path: readonly ParsedCertificate[], identity: Identity): void {
  path.forEach((certificate, index) => {
    const issuer = (path[index + 1] ?? certificate).x509;
    if (certificate.x509.checkIssued(issuer) && certificate.x509.verify(issuer.publicKey)) return;
    throw untrusted(identity, 'OpenSSL finds that a certificate was not signed by the next');
  });
}

function untrusted(identity: Identity, reason: string): TrustError {
  const name = dnsNameOf(identity);
  return new TrustError(`the certificate of ${name} does not lead to the root of this VPN`, {
    code: 'untrusted',
    fields: { name },
    cause: new Error(reason),
  });
}

function mismatch(
  code: 'wrong-vpn' | 'wrong-subset' | 'wrong-identity',
  fields: { readonly expected: string; readonly actual: string },
): TrustError {
  return new TrustError(
    `expected ${fields.expected}, but the certificate is for ${fields.actual}`,
    {
      code,
      fields,
    },
  );
}

/** ISO 8601; `never` for a time outside what certificates can say. */
function isoTime(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'never' : date.toISOString();
}
