import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { uniqueLocalPrefix } from '../core/addressing.ts';
import { InvalidInputError } from '../model/error.ts';
import type { OperatorName, VpnName } from '../model/names.ts';
import {
  familyOf,
  type Prefix,
  parsePrefix,
  prefixBits,
  prefixesOverlap,
} from '../model/prefix.ts';
import { encodeRecord } from '../model/records/codec.ts';
import type { KeyingMode, Lifetimes, VpnRecord } from '../model/records/directory.ts';
import { privateDirectoryMode, readIfPresent } from '../runtime/durable-file.ts';
import { allocationKey, backboneKeyKey, operatorKey, vpnKey } from '../store/keys.ts';
import type { Store } from '../store/store.ts';
import { createIssuer, createRoot, type Issuer } from '../trust/certificate-authority.ts';
import { TrustError } from '../trust/trust-error.ts';
import { rootPeriod } from './certificate-lifetimes.ts';
import { writeOperator } from './create-operator.ts';
import type { DataDirectory } from './data-directory.ts';
import { firstGroupKey } from './first-group-key.ts';
import { createWhole } from './kept-file.ts';
import { ProvisionError } from './provision-error.ts';
import { keepOrCreateSealingKey } from './sealing-key-file.ts';

export interface VpnOptions {
  readonly name: VpnName;
  readonly ipv4: Prefix;
  /** A unique local /48; a random one unless said. */
  readonly ipv6?: Prefix;
  readonly ipv4BlockLength: number;
  readonly keying: KeyingMode;
  readonly lifetimes: Lifetimes;
  /** The first operator. */
  readonly operator: OperatorName;
}

/** What every command of this folder works on. */
export interface ProvisionDependencies {
  readonly directory: DataDirectory;
  readonly store: Store;
  /** As it was opened with; written into files and messages. */
  readonly storeUrl: string;
  readonly nowMs: number;
}

/**
 * Makes a VPN. Run again after a crash it goes on with the root and the sealing key that are there.
 * @throws InvalidInputError for prefixes that cannot be
 * @throws ProvisionError `exists` when the store or the directory has a VPN already
 */
export async function createVpn(
  options: VpnOptions,
  dependencies: ProvisionDependencies,
): Promise<VpnRecord> {
  const { directory, store, nowMs } = dependencies;
  requireUsable(options);
  await requireEmpty(dependencies);
  await mkdir(directory.path, { recursive: true, mode: privateDirectoryMode });
  const root = await keepOrCreateRoot(options.name, dependencies);
  const sealingKey = await keepOrCreateSealingKey(directory.sealingKey);
  const { name, operator } = options;
  const first = { name: operator, vpn: name, root, masters: [] };
  const operatorRecord = await writeOperator(first, { directory, nowMs });
  const vpn = vpnRecord(options, root.certificatePem, nowMs);
  const backboneKey = firstGroupKey(backboneKeyKey(1), sealingKey, nowMs);
  const allocation = { version: 1, nextMasterIndex: 1, nextSubsetIndex: 1, ipv4Used: 0 };
  const result = await store.transact({
    if: [vpnKey, allocationKey, backboneKey.put].map((key) => ({ key, modRevision: 0 })),
    then: [
      { put: vpnKey, value: encodeRecord(vpn) },
      { put: allocationKey, value: encodeRecord(allocation) },
      { put: operatorKey(operator), value: encodeRecord(operatorRecord) },
      backboneKey,
    ],
  });
  if (!result.succeeded) throw storeIsTaken(dependencies);
  return vpn;
}

const uniqueLocal = parsePrefix('fc00::/7');

function requireUsable({ ipv4, ipv6, ipv4BlockLength }: VpnOptions): void {
  if (familyOf(ipv4) !== 4) throw new InvalidInputError(`${ipv4} is not an IPv4 block`);
  if (prefixBits(ipv4).length > ipv4BlockLength) {
    throw new InvalidInputError(
      `a subset's /${ipv4BlockLength} does not fit into ${ipv4}: give a larger --ipv4 or a larger --ipv4-block-length`,
    );
  }
  if (ipv6 === undefined) return;
  if (
    familyOf(ipv6) !== 6 ||
    prefixBits(ipv6).length !== 48 ||
    !prefixesOverlap(ipv6, uniqueLocal)
  ) {
    throw new InvalidInputError(
      `${ipv6} is not a unique local /48 (RFC 4193), such as fd12:3456:789a::/48`,
    );
  }
}

async function requireEmpty(dependencies: ProvisionDependencies): Promise<void> {
  if (await dependencies.store.get(vpnKey)) throw storeIsTaken(dependencies);
}

function storeIsTaken({ storeUrl }: ProvisionDependencies): ProvisionError {
  return new ProvisionError(
    `the store ${storeUrl} holds a VPN already; one store is for one VPN: choose another with --dir or --store`,
    { code: 'exists', fields: { name: storeUrl } },
  );
}

async function keepOrCreateRoot(
  vpn: VpnName,
  { directory, nowMs }: ProvisionDependencies,
): Promise<Issuer> {
  if ((await readIfPresent(directory.rootCertificate)) === undefined) {
    const root = await createRoot({ vpn, period: rootPeriod(nowMs) });
    await createWhole(directory.root, {
      'root.pem': root.certificatePem,
      'root.key': root.privateKeyPem,
    });
  }
  return openKeptRoot(vpn, directory);
}

async function openKeptRoot(vpn: VpnName, directory: DataDirectory): Promise<Issuer> {
  const certificatePem = await readIfPresent(directory.rootCertificate);
  const privateKeyPem = await readIfPresent(directory.rootKey);
  if (certificatePem !== undefined && privateKeyPem !== undefined) {
    try {
      const root = createIssuer({ certificatePem, privateKeyPem });
      if (root.scope.kind === 'root' && root.scope.vpn === vpn) return root;
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
    }
  }
  throw new ProvisionError(
    `${directory.root} belongs to another VPN, or is incomplete: choose another --dir; nothing was changed`,
    { code: 'exists', fields: { name: directory.root } },
  );
}

function vpnRecord(options: VpnOptions, rootCertificate: string, nowMs: number): VpnRecord {
  const { name, ipv4, ipv6, ipv4BlockLength, keying, lifetimes } = options;
  return {
    version: 1,
    name,
    id: randomBytes(4).toString('hex'),
    ipv6: ipv6 ?? uniqueLocalPrefix(randomBytes(5)),
    ipv4,
    ipv4BlockLength,
    keying,
    lifetimes,
    rootCertificate,
    createdAtMs: nowMs,
  };
}
