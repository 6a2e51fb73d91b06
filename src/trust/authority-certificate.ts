import { z } from 'zod';
import {
  type MasterName,
  masterNameSchema,
  type SubsetName,
  subsetNameSchema,
  type VpnName,
  vpnNameSchema,
} from '../model/names.ts';
import { extensionOid, extensionValue, nameConstraintsOf } from './certificate-profile.ts';
import { decodeSubsetBlocks, type SubsetBlocks } from './member-addresses.ts';
import {
  hasValue,
  type ParsedCertificate,
  parseCertificate,
  requireNoOtherCritical,
} from './parsed-certificate.ts';
import { wrongUse } from './trust-error.ts';

/** A root issues masters, operators and intermediates. */
export interface RootScope {
  readonly kind: 'root';
  readonly vpn: VpnName;
}

/** An intermediate issues one subset's members; one master holds it. */
export interface SubsetScope {
  readonly kind: 'subset';
  readonly vpn: VpnName;
  readonly subset: SubsetName;
  readonly master: MasterName;
  /** Those that the subset had when the authority was issued; absent from one of an earlier version. */
  readonly blocks?: SubsetBlocks;
}

export type AuthorityScope = RootScope | SubsetScope;

const rootSubject = /^CN=Hanse root of (?<vpn>\S+)$/;
const rootNames = z.object({ vpn: vpnNameSchema });
const intermediateSubject = /^O=(?<vpn>\S+)\nOU=(?<subset>\S+)\nCN=(?<master>\S+)$/;
const intermediateNames = z.object({
  vpn: vpnNameSchema,
  subset: subsetNameSchema,
  master: masterNameSchema,
});

/**
 * Reads the certificate of a root. Checks its form; neither its signature nor its period.
 * @throws TrustError `wrong-use`
 */
export function readRoot(certificate: ParsedCertificate): RootScope {
  requireAuthorityProfile(certificate, extensionValue.rootBasicConstraints);
  const names = rootNames.safeParse(rootSubject.exec(certificate.x509.subject)?.groups);
  if (!names.success) throw wrongUse('its subject is not that of the root of a VPN');
  requireNoOtherCritical(certificate, [extensionOid.basicConstraints, extensionOid.keyUsage]);
  return { kind: 'root', ...names.data };
}

/**
 * Reads the certificate of an intermediate. Checks its form, and that its name constraints are
 * exactly those of the subset in its subject; neither its signature nor its period.
 * @throws TrustError `wrong-use`, `malformed`
 */
export function readIntermediate(certificate: ParsedCertificate): SubsetScope {
  requireAuthorityProfile(certificate, extensionValue.intermediateBasicConstraints);
  const { groups } = intermediateSubject.exec(certificate.x509.subject) ?? {};
  const names = intermediateNames.safeParse(groups);
  if (!names.success) throw wrongUse('its subject is not that of the authority of a subset');
  const constraints = certificate.extensions.get(extensionOid.nameConstraints);
  const expected = Buffer.from(nameConstraintsOf(names.data.vpn, names.data.subset));
  if (!constraints?.critical || !expected.equals(constraints.value)) {
    throw wrongUse('its name constraints are not those of its subset');
  }
  requireNoOtherCritical(certificate, [
    extensionOid.basicConstraints,
    extensionOid.keyUsage,
    extensionOid.nameConstraints,
  ]);
  const binding = certificate.extensions.get(extensionOid.subsetBlocks);
  const blocks = binding === undefined ? {} : { blocks: decodeSubsetBlocks(binding.value) };
  return { kind: 'subset', ...names.data, ...blocks };
}

/**
 * The blocks that a subset's authority binds, as `readIntermediate` reads them.
 * @returns undefined for an authority of an earlier version
 * @throws TrustError `wrong-use`, `malformed`
 */
export function blocksOfAuthority(certificatePem: string): SubsetBlocks | undefined {
  return readIntermediate(parseCertificate(certificatePem)).blocks;
}

function requireAuthorityProfile(certificate: ParsedCertificate, basicConstraints: string): void {
  const isAuthority =
    hasValue(certificate, extensionOid.basicConstraints, basicConstraints) &&
    hasValue(certificate, extensionOid.keyUsage, extensionValue.authorityKeyUsage);
  if (!isAuthority) throw wrongUse('it is not one of an authority of its kind');
}
