import { createHash } from 'node:crypto';
import { dnsNameOf, type Identity, type VpnName } from '../model/names.ts';
import { hostPrefix, prefixesOverlap } from '../model/prefix.ts';
import { readIntermediate, readRoot, type SubsetScope } from './authority-certificate.ts';
import { type LeafIdentity, readLeaf } from './leaf-certificate.ts';
import type { MemberAddresses, SubsetBlocks } from './member-addresses.ts';
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

/** A leaf whose chain was checked, and what its authority says beside. */
export interface CheckedLeaf extends LeafIdentity {
  /** Of a member's subset; absent when its authority is of an earlier version. */
  readonly blocks?: SubsetBlocks;
}

/**
 * Checks a chain that came without a TLS connection, such as that of a peer or of a master's
 * record. Holds after it returns: the chain leads to the root (RFC 5280 §6, name constraints
 * included), every certificate in it is valid now and has the form of its role, and the leaf has
 * one name, which is that of the expected identity. Masters and operators come from the root
 * itself, members from an intermediate of exactly their subset, and with an IPv6 address of its /64
 * where both bind one. Whether they bind any is the caller's to demand.
 * @throws TrustError `malformed`, `no-name`, `extra-name`, `wrong-use`, `wrong-vpn`,
 *   `wrong-subset`, `wrong-identity`, `out-of-scope`, `expired`, `not-yet-valid`, `untrusted`
 */
export async function verifyChain(check: ChainCheck): Promise<CheckedLeaf> {
  const [leafPem, intermediatePem, ...more] = check.chain;
  if (leafPem === undefined || more.length > 0) {
    throw malformed('the certificate chain', 'expected a leaf and at most one intermediate');
  }
  const leaf = parseCertificate(leafPem);
  const intermediates = intermediatePem === undefined ? [] : [parseCertificate(intermediatePem)];
  const root = parseCertificate(check.root);
  const result = readLeaf(leaf);
  requireIdentity(result.identity, check.expected, readRoot(root).vpn);
  const issuer = requireIssuerOf(result.identity, intermediates[0]);
  if (issuer?.blocks && result.addresses) requireWithin(result.addresses, issuer.blocks);
  await requirePath([leaf, ...intermediates, root], check.nowMs, dnsNameOf(result.identity));
  return issuer?.blocks ? { ...result, blocks: issuer.blocks } : result;
}

/**
 * Checks a subset's authority as `verifyChain` checks those that it certifies.
 * @param check the intermediate and the root in PEM, and as of when
 * @returns whose members it may certify
 * @throws TrustError `malformed`, `wrong-use`, `wrong-vpn`, `expired`, `not-yet-valid`, `untrusted`
 */
export async function verifyIntermediate(check: {
  readonly certificate: string;
  readonly root: string;
  readonly nowMs: number;
}): Promise<SubsetScope> {
  const intermediate = parseCertificate(check.certificate);
  const root = parseCertificate(check.root);
  const scope = readIntermediate(intermediate);
  const name = `the authority of ${scope.master} for ${scope.subset}`;
  const { vpn } = readRoot(root);
  if (scope.vpn !== vpn) throw mismatch('wrong-vpn', { actual: scope.vpn, expected: vpn });
  await requirePath([intermediate, root], check.nowMs, name);
  return scope;
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
  rootVpn: VpnName,
): void {
  const exact = typeof expected === 'string' ? undefined : expected;
  const actual = dnsNameOf(identity);
  const otherVpn = [rootVpn, exact?.vpn ?? rootVpn].find((vpn) => vpn !== identity.vpn);
  if (otherVpn !== undefined) throw mismatch('wrong-vpn', { actual, expected: otherVpn });
  const isOtherSubset =
    exact?.kind === 'member' && identity.kind === 'member' && exact.subset !== identity.subset;
  if (isOtherSubset) throw mismatch('wrong-subset', { actual, expected: exact.subset });
  const isExpected = exact === undefined ? identity.kind === expected : dnsNameOf(exact) === actual;
  if (isExpected) return;
  const described = exact === undefined ? `a ${expected}` : dnsNameOf(exact);
  throw mismatch('wrong-identity', { actual, expected: described });
}

function requireIssuerOf(
  identity: Identity,
  intermediate: ParsedCertificate | undefined,
): SubsetScope | undefined {
  if (identity.kind !== 'member') {
    if (intermediate === undefined) return undefined;
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
  return scope;
}

/** IPv4 blocks grow without the root, so an address outside of those that are bound need not be wrong. */
function requireWithin({ ipv6 }: MemberAddresses, { ipv6Block }: SubsetBlocks): void {
  if (prefixesOverlap(hostPrefix(ipv6), ipv6Block)) return;
  throw mismatch('out-of-scope', { actual: ipv6, expected: `an address of ${ipv6Block}` });
}

/** @param path the leaf, what certifies it, and so on to the root */
async function requirePath(
  path: readonly ParsedCertificate[],
  nowMs: number,
  name: string,
): Promise<void> {
  for (const certificate of path) requireValidAt(nowMs, certificate, name);
  path.forEach((certificate, index) => {
    if (isSignedBy(certificate, path[index + 1] ?? certificate)) return;
    throw untrusted(name, 'OpenSSL finds a certificate that the next one did not sign');
  });
  const fault = await findPathFault(
    path.map(({ x509 }) => x509),
    nowMs,
  );
  if (fault !== undefined) throw untrusted(name, `PKI.js refuses the path: ${fault}`);
}

function requireValidAt(nowMs: number, certificate: ParsedCertificate, name: string): void {
  const { notBeforeMs, notAfterMs } = certificate;
  if (notBeforeMs <= nowMs && nowMs <= notAfterMs) return;
  const isEarly = nowMs < notBeforeMs;
  const limit = new Date(isEarly ? notBeforeMs : notAfterMs).toISOString();
  const what = isEarly ? `starts at ${limit} only` : `expired at ${limit}`;
  throw new TrustError(`the chain of ${name} holds a certificate that ${what}`, {
    code: isEarly ? 'not-yet-valid' : 'expired',
    fields: { name, limit },
  });
}

function isSignedBy({ x509 }: ParsedCertificate, issuer: ParsedCertificate): boolean {
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey);
}

function untrusted(name: string, reason: string): TrustError {
  return new TrustError(`the certificate of ${name} does not lead to the root of this VPN`, {
    code: 'untrusted',
    fields: { name },
    cause: new Error(reason),
  });
}

function mismatch(
  code: 'wrong-vpn' | 'wrong-subset' | 'wrong-identity' | 'out-of-scope',
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
