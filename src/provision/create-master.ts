import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isOperatorProfile,
  readOperatorProfile,
  updateKnownMasters,
} from '../api/client/operator-profile.ts';
import { type Endpoint, hostOf, portOf } from '../model/endpoint.ts';
import type { MasterName } from '../model/names.ts';
import { encodeRecord } from '../model/records/codec.ts';
import type { MasterRecord } from '../model/records/directory.ts';
import { writeDurably } from '../runtime/durable-file.ts';
import { allocationKey, masterKey } from '../store/keys.ts';
import type { Issuer } from '../trust/certificate-authority.ts';
import { changeDirectory } from './allocation-retry.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import type { DataDirectory } from './data-directory.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { highestMasterIndex, requireFreeAddresses } from './master-addresses.ts';
import { issueMasterCertificate } from './master-certificate.ts';
import { masterConfigText } from './master-config-text.ts';
import { keepOrCreateMasterKeys } from './master-keys.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';

export interface MasterOptions {
  readonly name: MasterName;
  readonly control: Endpoint;
  readonly wireguard: MasterRecord['wireguard'];
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
}

/** Of the master with index 1; each further one has the next. */
const firstMetricsPort = 9_469;

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
    const certificate = await writeMasterFiles(options, root, records, dependencies);
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
  const { name } = options;
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
  requireFreeAddresses(options, masters);
}

/** @returns the certificate, which binds the keys that were written */
async function writeMasterFiles(
  { name, control }: MasterOptions,
  root: Issuer,
  { vpn, allocation }: DirectoryRecords,
  { directory, storeUrl, nowMs }: ProvisionDependencies,
): Promise<string> {
  const files = directory.master(name);
  const keys = await keepOrCreateMasterKeys(files);
  const certificate = await issueMasterCertificate({ vpn: vpn.name, name, keys, root, nowMs });
  await writeDurably(files.certificate, certificate);
  const listen = `${hostOf(control).includes(':') ? '[::]' : '0.0.0.0'}:${portOf(control)}`;
  // Two masters on one machine must not want the same port, and no two have the same index.
  const metricsListen = `127.0.0.1:${firstMetricsPort + allocation.nextMasterIndex - 1}`;
  const config = { name, dir: directory.path, store: storeUrl, listen, metricsListen };
  // Of a master that has no record nobody has changed the file: it may be of an attempt before.
  await writeDurably(files.config, masterConfigText(config));
  return certificate;
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
