import type { X509Certificate } from 'node:crypto';
import type { Certificate } from 'pkijs';

/*
 * RFC 5280 §6 by PKI.js. Its engine takes a list of names for permitted when one of them is, adds a
 * sub-authority's permitted names to its issuer's, and ignores path lengths; so it is never the
 * only check: the form that `certificate-profile.ts` demands leaves no room for any of these.
 */

export interface Path {
  readonly leaf: X509Certificate;
  /** From the leaf's issuer on, the root last. */
  readonly authorities: readonly [X509Certificate, ...X509Certificate[]];
}

/** Why there is no valid path from the leaf to the root at that time; undefined when there is one. */
export async function findPathFault(path: Path, nowMs: number): Promise<string | undefined> {
  // Loading takes 50 ms, which a member's start does not have; it connects before it needs this.
  const { Certificate, CertificateChainValidationEngine } = await import('pkijs');
  const parse = ({ raw }: X509Certificate) => Certificate.fromBER(new Uint8Array(raw));
  const authorities = path.authorities.map((authority) => parseOnce(authority, parse));
  const engine = new CertificateChainValidationEngine({
    trustedCerts: authorities.slice(-1),
    // The engine validates the last one.
    certs: [...authorities.slice(0, -1), parse(path.leaf)],
    checkDate: new Date(nowMs),
  });
  const { result, resultMessage } = await engine.verify();
  return result ? undefined : resultMessage;
}

/**
 * Authorities are few and recur, and parsing them is half of the work. By SHA-256; the oldest goes
 * first. Hostile chains can empty it of the useful ones, which costs time and nothing else.
 */
const parsedAuthorities = new Map<string, Certificate>();
const maxParsedAuthorities = 256;

function parseOnce(
  authority: X509Certificate,
  parse: (authority: X509Certificate) => Certificate,
): Certificate {
  const known = parsedAuthorities.get(authority.fingerprint256);
  if (known !== undefined) return known;
  const parsed = parse(authority);
  const [oldest] = parsedAuthorities.keys();
  if (parsedAuthorities.size >= maxParsedAuthorities && oldest !== undefined) {
    parsedAuthorities.delete(oldest);
  }
  parsedAuthorities.set(authority.fingerprint256, parsed);
  return parsed;
}
