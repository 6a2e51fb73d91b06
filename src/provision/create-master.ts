import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isOperatorProfile,
  readOperatorProfile,
  updateKnownMasters,
} from '../api/client/operator-profile.ts';
import { type Endpoint, hostOf, portOf } from '../model/endpoint.ts';
import { InvalidInputError } from '../model/error.ts';
import type { MasterName, VpnName } from '../model/names.ts';
import { encodeRecord, type MasterRecord } from '../model/records.ts';
import { type WireguardPublicKey, wireguardPrivateKeySchema } from '../model/wireguard-key.ts';
import { writeDurably } from '../runtime/durable-file.ts';
import { allocationKey, masterKey } from '../store/keys.ts';
import { type Issuer, issueLeaf } from '../trust/certificate-authority.ts';
import { createWireguardKeyPair, publicKeyOf } from '../trust/wireguard-keys.ts';
import { changeDirectory } from './allocation-retry.ts';
import { masterPeriod } from './certificate-lifetimes.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import type { DataDirectory, MasterFiles } from './data-directory.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { keepOrCreate } from './kept-file.ts';
import { masterConfigText } from './master-config-text.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';
import { keepOrCreateTlsKey } from './tls-key.ts';

export interface MasterOptions {
  readonly name: MasterName;
  readonly control: Endpoint;
  readonly wireguard: MasterRecord['wireguard'];
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
}

/** As the record's schema has it. */
const highestMasterIndex = 4_095;

/**
 * Makes a master: keys, certificate, configuration, a place in the profiles of this directory's
 * operators, and last its record. Run again after a crash it goes on with the keys that are there.
 * @throws ProvisionError `exists`, `address-taken`, `exhausted`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 */
export function createMaster(
  options: MasterOptions,
  dependencies: ProvisionDependencies,
): Promise<MasterRecord> {
  return changeDirectory(options.name, dependencies, async (records) => {
    requireFree(options, records);
    const root = await openRoot(records.vpn, options.rootKeyPath);
    const certificate = await writeMasterFiles(options, root, records.vpn.name, dependencies);
    await tellOperators(dependencies.directory, options);
    const { name, control, wireguard } = options;
    const { allocation } = records;
    const record: MasterRecord = {
      version: 1,
      name,
      index: allocation.nextMasterIndex,
      control,
      wireguard,
      chain: [certificate],
      createdAtMs: dependencies.nowMs,
    };
    const next = { ...allocation, nextMasterIndex: allocation.nextMasterIndex + 1 };
    return {
      result: record,
      transaction: {
        if: [{ key: masterKey(name), modRevision: 0 }],
        then: [
          { put: masterKey(name), value: encodeRecord(record) },
          { put: allocationKey, value: encodeRecord(next) },
        ],
      },
    };
  });
}

function requireFree(options: MasterOptions, { masters, allocation }: DirectoryRecords): void {
  const { name, control, wireguard } = options;
  if (masters.some((master) => master.name === name)) {
    throw new ProvisionError(`master ${name} exists already; names are never given twice`, {
      code: 'exists',
      fields: { name },
    });
  }
  if (allocation.nextMasterIndex > highestMasterIndex) {
    throw new ProvisionError(`a VPN has at most ${highestMasterIndex} masters`, {
      code: 'exhausted',
      fields: { limit: highestMasterIndex },
    });
  }
  for (const other of masters) {
    if (other.control === control) throw addressTaken(other.name, control);
    const sameHost = other.wireguard.host === wireguard.host;
    if (sameHost && other.wireguard.membersPort === wireguard.membersPort) {
      throw addressTaken(other.name, `${wireguard.host}:${wireguard.membersPort}`);
    }
  }
}

function addressTaken(name: MasterName, endpoint: string): ProvisionError {
  return new ProvisionError(`master ${name} already has ${endpoint}: give another host or port`, {
    code: 'address-taken',
    fields: { name, endpoint },
  });
}

/** @returns the certificate, which binds the keys that were written */
async function writeMasterFiles(
  { name, control }: MasterOptions,
  root: Issuer,
  vpn: VpnName,
  { directory, storeUrl, nowMs }: ProvisionDependencies,
): Promise<string> {
  const files = directory.master(name);
  const key = await keepOrCreateTlsKey(files.key);
  const certificate = await issueLeaf({
    identity: { kind: 'master', vpn, name },
    subjectPublicKey: key.spki,
    wireguardKeys: await keepOrCreateWireguardKeys(files),
    issuer: root,
    period: masterPeriod(nowMs),
  });
  await writeDurably(files.certificate, certificate);
  const listen = `${hostOf(control).includes(':') ? '[::]' : '0.0.0.0'}:${portOf(control)}`;
  const config = { name, dir: directory.path, store: storeUrl, listen };
  await keepOrCreate(files.config, () => masterConfigText(config));
  return certificate;
}

async function keepOrCreateWireguardKeys(
  files: MasterFiles,
): Promise<{ readonly members: WireguardPublicKey; readonly backbone: WireguardPublicKey }> {
  return {
    members: await keepOrCreateWireguardKey(files.membersKey),
    backbone: await keepOrCreateWireguardKey(files.backboneKey),
  };
}

async function keepOrCreateWireguardKey(path: string): Promise<WireguardPublicKey> {
  const text = await keepOrCreate(path, () => `${createWireguardKeyPair().privateKey}\n`);
  const key = wireguardPrivateKeySchema.safeParse(text.trim());
  if (key.success) return publicKeyOf(key.data);
  throw new InvalidInputError(`${path} is not a WireGuard key: remove it and try again`, { path });
}

/** Before the record: a master that does not exist yet does an operator no harm. */
async function tellOperators(
  directory: DataDirectory,
  { name, control }: MasterOptions,
): Promise<void> {
  for (const operator of await readdir(directory.operators).catch(nobody)) {
    const path = join(directory.operators, operator);
    if (!(await isOperatorProfile(path))) continue;
    const { masters } = await readOperatorProfile(path);
    const others = masters.filter((master) => master.name !== name);
    await updateKnownMasters(path, [...others, { name, control }]);
  }
}

/** On a machine that makes masters only. */
function nobody(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
