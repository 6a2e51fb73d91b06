import { type Identity, type SubsetName, subsetDnsSuffix, type VpnName } from '../model/names.ts';
import { contextTag, derTag, encodeDer } from './der.ts';

/*
 * The one form of each kind of certificate (RFC 5280 §4.2), written by `certificate-authority.ts`
 * and demanded by `certificate-check.ts`. Extensions are compared as bytes: whatever differs from
 * what we write was not written by us, and nobody has to reason about what it might mean.
 */

/** Object identifiers as the hexadecimal content of their DER. */
export const extensionOid = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
  wireguardKeys: '6981de9cb7c3cbb6d2b09f9d8ecacfc89df98355',
  memberAddresses: '698396acccdc97edc2a4ef9abdb1da8fc7e39a37',
  subsetBlocks: '6983afa7e9ebd4f4dabacb8d8df8ecb399889206',
} as const;

/** 2.25 and a random UUID (ITU-T X.667 §7), 6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d5: nobody else's. */
export const wireguardKeysOid = '2.25.147691944329116558819535884940551799253';
/** Of cb2c9970-bed8-4937-9a7a-c6d0f8f8cd37. */
export const memberAddressesOid = '2.25.270064856347400640519856774009167858999';
/** Of d7a7d3ae-a74b-4ea5-8d1b-e36333220906. */
export const subsetBlocksOid = '2.25.286655426095033914347839435252384794886';

/** id-ecPublicKey on P-256 with an uncompressed point: the 64 bytes of the point follow. */
export const p256SpkiPrefix = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
  'hex',
);
export const p256SpkiLength = p256SpkiPrefix.length + 64;

/** ecdsa-with-SHA256 (RFC 5758 §3.2), whole AlgorithmIdentifier. */
export const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

/** Values of extensions as hexadecimal DER. */
export const extensionValue = {
  /** keyCertSign and cRLSign. */
  authorityKeyUsage: '03020106',
  /** digitalSignature, which is all that TLS 1.3 asks for (RFC 8446 §4.4.2.2). */
  leafKeyUsage: '03020780',
  /** A CA below which one more CA may stand. */
  rootBasicConstraints: '30060101ff020101',
  /** A CA that may only issue leaves. */
  intermediateBasicConstraints: '30060101ff020100',
} as const;

const clientAuth = '06082b06010505070302';
const serverAuth = '06082b06010505070301';
const extendedKeyUsages: Record<Identity['kind'], string> = {
  member: `300a${clientAuth}`,
  operator: `300a${clientAuth}`,
  master: `3014${serverAuth}${clientAuth}`,
};

/** Masters are servers and clients of each other; members and operators are clients only. */
export function extendedKeyUsageOf(kind: Identity['kind']): string {
  return extendedKeyUsages[kind];
}

/** A subject alternative name with the one DNS name. */
export function subjectAltNameOf(dnsName: string): Uint8Array {
  return encodeDer(derTag.sequence, generalName(2, dnsName));
}

/** Reserved by RFC 2606 §2: the only e-mail and URI host permitted, so that in effect none is. */
const nobodysHost = 'nobody.invalid';

/** CN=nobody: the only subject permitted, so that a leaf with a CN for a name fails in TLS already. */
const nobodysName = Buffer.from('3011310f300d06035504030c066e6f626f6479', 'hex');

/**
 * Constrains an intermediate to the subset's names (RFC 5280 §4.2.1.10). The leading dot is
 * understood by OpenSSL and PKI.js as "below": the suffix itself is nobody's name. Name types that
 * a certificate does not use may be anything as far as RFC 5280 goes, so each type that can be
 * constrained is closed as well. Types that cannot (otherName, registeredID) are refused by
 * `identityOfLeaf` only.
 */
export function nameConstraintsOf(vpn: VpnName, subset: SubsetName): Uint8Array {
  const permitted = [
    generalName(2, `.${subsetDnsSuffix(vpn, subset)}`),
    generalName(1, nobodysHost),
    generalName(6, nobodysHost),
    encodeDer(contextTag(4, 'constructed'), nobodysName),
  ];
  const everyIpv4 = new Uint8Array(8);
  const everyIpv6 = new Uint8Array(32);
  const excluded = [everyIpv4, everyIpv6].map((range) =>
    encodeDer(contextTag(7, 'primitive'), range),
  );
  return encodeDer(
    derTag.sequence,
    encodeDer(contextTag(0, 'constructed'), ...permitted.map(subtree)),
    encodeDer(contextTag(1, 'constructed'), ...excluded.map(subtree)),
  );
}

function subtree(base: Uint8Array): Uint8Array {
  return encodeDer(derTag.sequence, base);
}

function generalName(type: number, text: string): Uint8Array {
  return encodeDer(contextTag(type, 'primitive'), Buffer.from(text, 'latin1'));
}
