import type { KeyObject } from 'node:crypto';
import { type Extension, id_ce_subjectAltName, Name } from '@peculiar/asn1-x509';
import { subsetIpv6Block } from '../../src/core/addressing.ts';
import {
  dnsNameOf,
  type Identity,
  type MasterName,
  parseMasterName,
  parseMemberName,
  parseOperatorName,
  parseSubsetName,
  parseVpnName,
  type SubsetName,
  type VpnName,
} from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import {
  createIssuer,
  createRoot,
  type Issuer,
  issueIntermediate,
  issueLeaf,
} from '../../src/trust/certificate-authority.ts';
import {
  extendedKeyUsageOf,
  extensionValue,
  subjectAltNameOf,
} from '../../src/trust/certificate-profile.ts';
import type { MemberAddresses, SubsetBlocks } from '../../src/trust/member-addresses.ts';
import {
  createIdentityKeyPair,
  type IdentityKeyPair,
} from '../../src/trust/self-signed-certificate.ts';
import {
  type CertificatePeriod,
  extension,
  signCertificate,
} from '../../src/trust/signed-certificate.ts';
import type { WireguardKeys } from '../../src/trust/wireguard-extension.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';

export const hourMs = 3_600_000;
const yearMs = 8_760 * hourMs;

/** What a node shows and proves in a TLS handshake. */
export interface Credentials {
  /** PEM, the leaf first. */
  readonly chain: readonly string[];
  readonly keyPair: IdentityKeyPair;
}

/** A leaf as an attacker who holds the issuer's key would write it. */
export interface Forgery {
  readonly issuer: Issuer;
  readonly extensions: readonly Extension[];
  readonly subject?: Name;
  readonly period?: CertificatePeriod;
  readonly keyPair?: IdentityKeyPair;
  /** What is sent along; the issuer's certificate unless said. */
  readonly intermediates?: readonly string[];
}

/** A VPN's authorities: the root, and one intermediate for each subset. */
export class CertificateBed {
  readonly vpn: VpnName;
  readonly root: Issuer;
  readonly nowMs: number;
  readonly #intermediates = new Map<SubsetName, Issuer>();

  private constructor(vpn: VpnName, root: Issuer, nowMs: number) {
    this.vpn = vpn;
    this.root = root;
    this.nowMs = nowMs;
  }

  static async create(vpnName = 'hansa', nowMs = Date.now()): Promise<CertificateBed> {
    const vpn = parseVpnName(vpnName);
    const root = await createRoot({ vpn, period: { fromMs: nowMs, untilMs: nowMs + 10 * yearMs } });
    return new CertificateBed(vpn, createIssuer(root), nowMs);
  }

  /** From now on, for an hour. */
  get period(): CertificatePeriod {
    return { fromMs: this.nowMs, untilMs: this.nowMs + hourMs };
  }

  async intermediate(subsetName: string): Promise<Issuer> {
    const subset = parseSubsetName(subsetName);
    const known = this.#intermediates.get(subset);
    if (known) return known;
    const master: MasterName = parseMasterName(`${subset}-1`);
    const period = { fromMs: this.nowMs, untilMs: this.nowMs + yearMs };
    const { vpn, root } = this;
    const blocks = blocksOf(this.#intermediates.size + 1);
    const credentials = await issueIntermediate({ vpn, subset, master, blocks, root, period });
    const issuer = createIssuer(credentials);
    this.#intermediates.set(subset, issuer);
    return issuer;
  }

  member(subset: string, name: string) {
    const { vpn } = this;
    return {
      kind: 'member',
      vpn,
      subset: parseSubsetName(subset),
      name: parseMemberName(name),
    } as const;
  }

  master(name: string) {
    return { kind: 'master', vpn: this.vpn, name: parseMasterName(name) } as const;
  }

  operator(name: string) {
    return { kind: 'operator', vpn: this.vpn, name: parseOperatorName(name) } as const;
  }

  /** Honest credentials. */
  async issue(
    identity: Identity,
    period = this.period,
    addresses?: MemberAddresses,
    wireguardKeys = wireguardKeysFor(identity.kind),
  ): Promise<Credentials> {
    const keyPair = createIdentityKeyPair();
    const isMember = identity.kind === 'member';
    const issuer = isMember ? await this.intermediate(identity.subset) : this.root;
    const leaf = await issueLeaf({
      identity,
      subjectPublicKey: spkiOf(keyPair.publicKey),
      wireguardKeys,
      ...(addresses ? { addresses } : {}),
      issuer,
      period,
    });
    return { chain: isMember ? [leaf, issuer.certificatePem] : [leaf], keyPair };
  }

  async forge(forgery: Forgery): Promise<Credentials> {
    const { issuer, extensions, subject = new Name(), period = this.period } = forgery;
    const keyPair = forgery.keyPair ?? createIdentityKeyPair();
    const leaf = await signCertificate(
      { issuer: issuer.name, subject, spki: spkiOf(keyPair.publicKey), period, extensions },
      issuer.privateKey,
    );
    return { chain: [leaf, ...(forgery.intermediates ?? [issuer.certificatePem])], keyPair };
  }
}

/** As the directory would have them. @param index 1 for the first subset */
export function blocksOf(index: number): SubsetBlocks {
  return {
    ipv6Block: subsetIpv6Block(parsePrefix('fd12:3456:789a::/48'), index),
    ipv4Blocks: [parsePrefix(`100.${63 + index}.0.0/21`)],
  };
}

/** Every extension of an honest leaf but the WireGuard keys. */
export function honestExtensions(identity: Identity): Extension[] {
  return [subjectAltName(subjectAltNameOf(dnsNameOf(identity))), ...usageExtensions(identity.kind)];
}

export function subjectAltName(value: Uint8Array): Extension {
  return extension(id_ce_subjectAltName, value, { critical: true });
}

export function usageExtensions(kind: Identity['kind']): Extension[] {
  return [
    extension('2.5.29.15', extensionValue.leafKeyUsage, { critical: true }),
    extension('2.5.29.37', extendedKeyUsageOf(kind), { critical: false }),
  ];
}

export function spkiOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function wireguardKeysFor(kind: Identity['kind']): WireguardKeys {
  const key = () => createWireguardKeyPair().publicKey;
  if (kind === 'operator') return {};
  return kind === 'member' ? { acting: key() } : { members: key(), backbone: key() };
}
