import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  type Extension,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  Name,
} from '@peculiar/asn1-x509';
import { clockSkewMs } from '../model/clock-skew.ts';
import { InvalidInputError } from '../model/error.ts';
import {
  dnsNameOf,
  type Identity,
  type MasterName,
  type SubsetName,
  type VpnName,
} from '../model/names.ts';
import { hostPrefix, prefixesOverlap } from '../model/prefix.ts';
import { type AuthorityScope, readIntermediate, readRoot } from './authority-certificate.ts';
import {
  extendedKeyUsageOf,
  extensionValue,
  memberAddressesOid,
  nameConstraintsOf,
  p256SpkiPrefix,
  subjectAltNameOf,
  subsetBlocksOid,
  wireguardKeysOid,
} from './certificate-profile.ts';
import { contextTag, derTag, encodeDer } from './der.ts';
import {
  encodeMemberAddresses,
  encodeSubsetBlocks,
  type MemberAddresses,
  type SubsetBlocks,
} from './member-addresses.ts';
import { isP256Spki, type ParsedCertificate, parseCertificate } from './parsed-certificate.ts';
import {
  type CertificatePeriod,
  distinguishedName,
  extension,
  signCertificate,
} from './signed-certificate.ts';
import { malformed } from './trust-error.ts';
import { encodeWireguardKeys, type WireguardKeys } from './wireguard-extension.ts';

const organization = '2.5.4.10';
const organizationalUnit = '2.5.4.11';
const commonName = '2.5.4.3';

export interface AuthorityCredentials {
  readonly certificatePem: string;
  /** Secret. PKCS#8, unencrypted. */
  readonly privateKeyPem: string;
}

/** An authority that is ready to sign: everything about it is parsed once. */
export interface Issuer {
  readonly certificatePem: string;
  readonly scope: AuthorityScope;
  /** What it issues may not outlive it. */
  readonly notAfterMs: number;
  readonly name: Name;
  /** Secret. */
  readonly privateKey: KeyObject;
  readonly keyIdentifier: Uint8Array;
}

export interface LeafOptions {
  readonly identity: Identity;
  /** SubjectPublicKeyInfo in DER, as taken from the TLS handshake; P-256. */
  readonly subjectPublicKey: Uint8Array;
  /** By path class; empty for operators. */
  readonly wireguardKeys: WireguardKeys;
  /** Of a member, and of nobody else. */
  readonly addresses?: MemberAddresses;
  /** The root for masters and operators, the subset's intermediate for members. */
  readonly issuer: Issuer;
  readonly period: CertificatePeriod;
}

/** Makes the root of a new VPN: self-signed, with a new key. Pinned by `rootFingerprint`. */
export async function createRoot(options: {
  readonly vpn: VpnName;
  readonly period: CertificatePeriod;
}): Promise<AuthorityCredentials> {
  requirePeriod(options.period);
  const { privateKey, spki } = createKey();
  const name = distinguishedName([commonName, `Hanse root of ${options.vpn}`]);
  const certificatePem = await signCertificate(
    {
      issuer: name,
      subject: name,
      spki,
      period: options.period,
      extensions: authorityExtensions(spki, extensionValue.rootBasicConstraints),
    },
    privateKey,
  );
  return { certificatePem, privateKeyPem: exportPrivateKey(privateKey) };
}

/**
 * Makes the authority with which one master issues for one subset. Critical name constraints keep it
 * to the subset's names.
 * @throws InvalidInputError when the issuer is no root, is another VPN's, or ends earlier, or for
 *   blocks that are none
 * @throws TrustError `malformed` when the key is none
 */
export async function issueIntermediate(options: {
  readonly vpn: VpnName;
  readonly subset: SubsetName;
  readonly master: MasterName;
  /** Those that the subset has now. */
  readonly blocks: SubsetBlocks;
  readonly root: Issuer;
  readonly period: CertificatePeriod;
  /** PKCS#8, of the authority that this one follows; a new key unless said. */
  readonly privateKeyPem?: string;
}): Promise<AuthorityCredentials> {
  const { vpn, subset, master, blocks, root, period, privateKeyPem } = options;
  requireScope(root, vpn);
  requireWithin(root, period);
  const { privateKey, spki } = privateKeyPem === undefined ? createKey() : keyOf(privateKeyPem);
  const constraints = nameConstraintsOf(vpn, subset);
  const certificatePem = await signCertificate(
    {
      issuer: root.name,
      subject: distinguishedName(
        [organization, vpn],
        [organizationalUnit, subset],
        [commonName, master],
      ),
      spki,
      period,
      extensions: [
        ...authorityExtensions(spki, extensionValue.intermediateBasicConstraints),
        extension(id_ce_nameConstraints, constraints, { critical: true }),
        extension(subsetBlocksOid, encodeSubsetBlocks(blocks), { critical: false }),
        authorityKeyIdentifier(root),
      ],
    },
    root.privateKey,
  );
  return { certificatePem, privateKeyPem: exportPrivateKey(privateKey) };
}

/**
 * Parses an authority once for many certificates.
 * @throws TrustError `malformed`, `wrong-use` when the certificate is no authority of ours, or the
 *   key is not its key
 */
export function createIssuer(credentials: AuthorityCredentials): Issuer {
  const certificate = parseCertificate(credentials.certificatePem);
  const scope = isSelfIssued(certificate) ? readRoot(certificate) : readIntermediate(certificate);
  const privateKey = importPrivateKey(credentials.privateKeyPem);
  if (!certificate.x509.checkPrivateKey(privateKey)) {
    throw malformed('the authority', 'its private key belongs to another certificate');
  }
  return {
    certificatePem: credentials.certificatePem,
    scope,
    notAfterMs: certificate.notAfterMs,
    name: AsnConvert.parse(certificate.subject, Name),
    privateKey,
    keyIdentifier: keyIdentifierOf(certificate.spki),
  };
}

/**
 * Issues a certificate with exactly one name, the identity's DNS name, and an empty subject. The
 * signature is made on libuv's threads. @returns PEM
 * @throws InvalidInputError when the issuer is not the one for the identity or ends earlier
 * @throws TrustError `malformed` when the public key is not P-256
 */
export async function issueLeaf(options: LeafOptions): Promise<string> {
  const { identity, subjectPublicKey: spki, issuer, period } = options;
  requireScope(issuer, identity.vpn, identity.kind === 'member' ? identity.subset : undefined);
  requireWithin(issuer, period);
  requireP256(spki);
  const subject = new Name();
  const extensions = [
    extension(id_ce_subjectAltName, subjectAltNameOf(dnsNameOf(identity)), { critical: true }),
    extension(id_ce_keyUsage, extensionValue.leafKeyUsage, { critical: true }),
    extension(id_ce_extKeyUsage, extendedKeyUsageOf(identity.kind), { critical: false }),
    authorityKeyIdentifier(issuer),
    ...wireguardExtension(options.wireguardKeys),
    ...addressesExtension(options),
  ];
  const contents = { issuer: issuer.name, subject, spki, period, extensions };
  return signCertificate(contents, issuer.privateKey);
}

function wireguardExtension(keys: WireguardKeys): Extension[] {
  if (Object.keys(keys).length === 0) return [];
  return [extension(wireguardKeysOid, encodeWireguardKeys(keys), { critical: false })];
}

function addressesExtension({ identity, addresses, issuer }: LeafOptions): Extension[] {
  if (addresses === undefined) return [];
  const { scope } = issuer;
  if (identity.kind !== 'member' || scope.kind !== 'subset') {
    throw new InvalidInputError(`the certificate of a ${identity.kind} binds no addresses`);
  }
  const { ipv6Block } = scope.blocks ?? {};
  if (ipv6Block !== undefined && !prefixesOverlap(hostPrefix(addresses.ipv6), ipv6Block)) {
    throw new InvalidInputError(
      `${addresses.ipv6} is not an address of ${ipv6Block}, the block of ${scope.subset}`,
    );
  }
  const value = encodeMemberAddresses(addresses);
  return [extension(memberAddressesOid, value, { critical: false })];
}

function authorityExtensions(spki: Uint8Array, basicConstraints: string): Extension[] {
  const keyIdentifier = encodeDer(derTag.octetString, keyIdentifierOf(spki));
  return [
    extension(id_ce_basicConstraints, basicConstraints, { critical: true }),
    extension(id_ce_keyUsage, extensionValue.authorityKeyUsage, { critical: true }),
    extension(id_ce_subjectKeyIdentifier, keyIdentifier, { critical: false }),
  ];
}

/** Tells apart two authorities of the same name, when one has been issued anew. */
function authorityKeyIdentifier(issuer: Issuer): Extension {
  const value = encodeDer(
    derTag.sequence,
    encodeDer(contextTag(0, 'primitive'), issuer.keyIdentifier),
  );
  return extension(id_ce_authorityKeyIdentifier, value, { critical: false });
}

/** RFC 7093 §2, method 1: the leftmost 160 bits of the SHA-256 of the public key's bits. */
function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  // The last byte of the prefix, 04 for "uncompressed", is the first of the point.
  const point = spki.subarray(p256SpkiPrefix.length - 1);
  return createHash('sha256').update(point).digest().subarray(0, 20);
}

function isSelfIssued({ x509 }: ParsedCertificate): boolean {
  return x509.issuer === x509.subject;
}

/** The root issues for no subset, an intermediate for one. */
function requireScope(issuer: Issuer, vpn: VpnName, subset?: SubsetName): void {
  const { scope } = issuer;
  const actualSubset = scope.kind === 'subset' ? scope.subset : undefined;
  if (scope.vpn === vpn && actualSubset === subset) return;
  const describe = (ofVpn: VpnName, ofSubset?: SubsetName) =>
    ofSubset === undefined ? `the root of ${ofVpn}` : `an authority of ${ofSubset} in ${ofVpn}`;
  throw new InvalidInputError(
    `this must be issued by ${describe(vpn, subset)}, not by ${describe(scope.vpn, actualSubset)}`,
  );
}

function requireWithin(issuer: Issuer, period: CertificatePeriod): void {
  requirePeriod(period);
  if (period.untilMs <= issuer.notAfterMs) return;
  throw new InvalidInputError(
    `the authority ends on ${new Date(issuer.notAfterMs).toISOString()}, before the certificate that it should issue: renew the authority first`,
    { authorityEndsAtMs: issuer.notAfterMs, certificateEndsAtMs: period.untilMs },
  );
}

/** X.509 cannot say more than the year 9999. */
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59);

function requirePeriod({ fromMs, untilMs }: CertificatePeriod): void {
  if (clockSkewMs <= fromMs && fromMs < untilMs && untilMs <= latestMs) return;
  throw new InvalidInputError('a certificate must start after 1970 and end after it starts', {
    fromMs,
    untilMs,
  });
}

/** What a private key is good for: itself, and the public key that goes with it. */
interface SigningKey {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
}

function keyOf(privateKeyPem: string): SigningKey {
  const privateKey = importPrivateKey(privateKeyPem);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  requireP256(spki);
  return { privateKey, spki };
}

function createKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) };
}

function exportPrivateKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function importPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw malformed('the private key of the authority', 'expected PKCS#8 in PEM', cause);
  }
}

/** OpenSSL checks that the point is on the curve. */
function requireP256(spki: Uint8Array): void {
  if (!isP256Spki(spki)) throw malformed('the public key', 'expected P-256, uncompressed');
  try {
    createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw malformed('the public key', 'it is not a point on P-256', cause);
  }
}
