import { createHash, type X509Certificate } from 'node:crypto';
import { type Identity, parseDnsName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import { extendedKeyUsageOf, extensionOid, extensionValue } from './certificate-profile.ts';
import { contextTag, derTag, readDerContent, readDerElements } from './der.ts';
import { decodeMemberAddresses, type MemberAddresses } from './member-addresses.ts';
import {
  hasValue,
  isP256Spki,
  type ParsedCertificate,
  parseCertificate,
  requireNoOtherCritical,
} from './parsed-certificate.ts';
import { malformed, TrustError, wrongUse } from './trust-error.ts';
import { decodeWireguardKeys, type WireguardKeys } from './wireguard-extension.ts';

/** An empty Name is a SEQUENCE of nothing: tag and length. */
const emptyNameLength = 2;

/** What a leaf certificate says, to be believed once its path to the root has been checked. */
export interface LeafIdentity {
  readonly identity: Identity;
  /** Empty for an operator. */
  readonly wireguardKeys: WireguardKeys;
  /** A member's; absent when its master is of an earlier version. */
  readonly addresses?: MemberAddresses;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeySpki: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo: who the bearer is, whatever the name. */
  readonly publicKeySpkiSha256: IdentityKey;
  /** The last moment of its validity. */
  readonly notAfterMs: number;
}

/**
 * Reads the leaf certificate of a connection. TLS must have validated its path; this closes what
 * TLS leaves open: leaves with a CN instead of a name, with names beside the DNS name, with a
 * wildcard, or with the powers of a CA. Checks neither signature nor time. About 0.1 ms.
 * @throws TrustError `malformed`, `no-name`, `extra-name`, `wrong-use`
 */
export function identityOfLeaf(certificate: X509Certificate | Uint8Array | string): LeafIdentity {
  return readLeaf(parseCertificate(certificate));
}

/** {@link identityOfLeaf} for a certificate that is parsed already. */
export function readLeaf(certificate: ParsedCertificate): LeafIdentity {
  const identity = readIdentity(certificate);
  requireLeafProfile(certificate, identity);
  const binding = certificate.extensions.get(extensionOid.wireguardKeys);
  return {
    identity,
    wireguardKeys: binding === undefined ? {} : decodeWireguardKeys(binding.value),
    ...readAddresses(certificate),
    publicKeySpki: certificate.spki,
    publicKeySpkiSha256: identityKeyOf(certificate.spki),
    notAfterMs: certificate.notAfterMs,
  };
}

/**
 * Who the bearer of a public key is, as rolls and bans know it.
 * @param spki SubjectPublicKeyInfo in DER; P-256, uncompressed, so that one key has one identity
 * @throws TrustError `malformed` for any other kind of key
 */
export function identityKeyOf(spki: Uint8Array): IdentityKey {
  if (!isP256Spki(spki)) throw malformed('the public key', 'expected P-256, uncompressed');
  return createHash('sha256').update(spki).digest('base64url') as IdentityKey;
}

function readAddresses({ extensions }: ParsedCertificate): Pick<LeafIdentity, 'addresses'> {
  const binding = extensions.get(extensionOid.memberAddresses);
  return binding === undefined ? {} : { addresses: decodeMemberAddresses(binding.value) };
}

function readIdentity(certificate: ParsedCertificate): Identity {
  const names = certificate.extensions.get(extensionOid.subjectAltName);
  if (names === undefined) {
    throw new TrustError('the certificate has no subject alternative name; a CN is not enough', {
      code: 'no-name',
    });
  }
  const identity = parseDnsName(readOnlyDnsName(names.value));
  if (identity === undefined) {
    throw malformed('the certificate', 'its DNS name is nobody’s in a Hanse VPN');
  }
  if (certificate.subject.length !== emptyNameLength || !names.critical) {
    throw new TrustError('the certificate names a subject beside its DNS name', {
      code: 'extra-name',
    });
  }
  return identity;
}

function readOnlyDnsName(value: Uint8Array): string {
  const what = 'the subject alternative name';
  const [name, ...rest] = readDerElements(readDerContent(value, derTag.sequence, what), what);
  if (name === undefined) {
    throw new TrustError('the certificate has an empty subject alternative name', {
      code: 'no-name',
    });
  }
  if (rest.length > 0 || name.tag !== contextTag(2, 'primitive')) {
    throw new TrustError('the certificate must carry one DNS name and no other name', {
      code: 'extra-name',
    });
  }
  return Buffer.from(name.content).toString('latin1');
}

function requireLeafProfile(certificate: ParsedCertificate, identity: Identity): void {
  if (certificate.extensions.has(extensionOid.basicConstraints)) {
    throw wrongUse('it is one of a certificate authority');
  }
  if (!hasValue(certificate, extensionOid.keyUsage, extensionValue.leafKeyUsage)) {
    throw wrongUse('its key usage is not digitalSignature alone');
  }
  if (!hasValue(certificate, extensionOid.extendedKeyUsage, extendedKeyUsageOf(identity.kind))) {
    throw wrongUse(`its extended key usage is not that of a ${identity.kind}`);
  }
  requireNoOtherCritical(certificate, [extensionOid.subjectAltName, extensionOid.keyUsage]);
}
