import type { X509Certificate } from 'node:crypto';
import type { Certificate } from 'pkijs';
import { describeError } from '../model/error.ts';

/*
 * RFC 5280 §6 by PKI.js. Its engine takes a list of names for permitted when one of them is, adds a
 * sub-authority's permitted names to its issuer's, and ignores path lengths; so it is never the
 * only check: the form that `certificate-profile.ts` demands leaves no room for any of these.
 */

/**
 * Why the path is not valid at that time; undefined when it is.
 * @param path the leaf, what certifies it, and so on to the root, which is trusted
 */
export async function findPathFault(
  path: readonly X509Certificate[],
  nowMs: number,
): Promise<string | undefined> {
  // Loading takes 50 ms, which a member's start does not have; it connects before it needs this.
  const { Certificate, CertificateChainValidationEngine } = await import('pkijs');
  const parse = ({ raw }: X509Certificate) => Certificate.fromBER(new Uint8Array(raw));
  const [leaf, ...authorities] = path;
  if (leaf === undefined || authorities.length === 0) return 'there is no issuer';
  try {
    const [root, ...intermediates] = authorities.map((one) => parseOnce(one, parse)).reverse();
    const engine = new CertificateChainValidationEngine({
      trustedCerts: root === undefined ? [] : [root],
      // The engine validates the last one.
      certs: [...intermediates, parse(leaf)],
      checkDate: new Date(nowMs),
    });
    const { result, resultMessage } = await engine.verify();
    return result ? undefined : resultMessage;
  } catch (error) {
    return describeError(error);
  }
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
