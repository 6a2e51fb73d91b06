import { X509Certificate } from 'node:crypto';
import { InvalidInputError } from '../model/error.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import { type MasterRecord, masterRecordSchema } from '../model/records/directory.ts';
import { writeDurably } from '../runtime/durable-file.ts';
import { masterKey } from '../store/keys.ts';
import type { Issuer } from '../trust/certificate-authority.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { type DirectoryRecords, readDirectoryRecords } from './directory-records.ts';
import { issueMasterCertificate } from './master-certificate.ts';
import { readMasterKeys } from './master-keys.ts';
import { ProvisionError } from './provision-error.ts';
import { renewAuthorities } from './renew-authorities.ts';
import { openRoot } from './root-key.ts';

export interface RenewalOptions {
  readonly name: MasterName;
  /** Where the VPN's root key is. */
  readonly rootKeyPath: string;
  /** Other ways to the stores of regions than the directory names. */
  readonly regionStoreUrls?: Readonly<Record<string, string>>;
}

/**
 * Gives a master new certificates for the keys that it has: its own, and then its authority for each
 * subset that it serves. Old and new are both good until the old ones end, so a crash in between harms
 * nothing, and the master may go on with the old ones until it is restarted.
 * @returns the master, and the subsets that it has authorities for
 * @throws ProvisionError `unknown-master`, `no-vpn`, `no-root-key`, `wrong-root-key`, `overlap`, `conflict`
 * @throws InvalidInputError when the master's keys are not here, or are not those of its record
 * @throws RegionError, StoreError
 */
export async function renewMaster(
  options: RenewalOptions,
  dependencies: ProvisionDependencies,
): Promise<{ readonly record: MasterRecord; readonly subsets: readonly SubsetName[] }> {
  const { name: master, rootKeyPath, regionStoreUrls = {} } = options;
  const records = await readDirectoryRecords(dependencies.store, dependencies.storeUrl);
  const root = await openRoot(records.vpn, rootKeyPath);
  const record = await renewOwn(master, root, records, dependencies);
  const renewal = { master, root, regionStoreUrls };
  return { record, subsets: await renewAuthorities(renewal, records, dependencies) };
}

/** First in its file, then in its record, unless somebody has changed that meanwhile. */
async function renewOwn(
  name: MasterName,
  root: Issuer,
  { vpn, masters }: DirectoryRecords,
  { directory, store, nowMs }: ProvisionDependencies,
): Promise<MasterRecord> {
  const key = masterKey(name);
  const entry = await store.get(key);
  if (!entry) throw unknownMaster(name, masters);
  const record = decodeRecord(masterRecordSchema, key, entry.value);
  const files = directory.master(name);
  const keys = await readMasterKeys(files);
  requireSameKey(record, keys.tls, files.key);
  const certificate = await issueMasterCertificate({ vpn: vpn.name, name, keys, root, nowMs });
  await writeDurably(files.certificate, certificate);
  const renewed: MasterRecord = { ...record, chain: [certificate] };
  const { succeeded } = await store.transact({
    if: [{ key, modRevision: entry.modRevision }],
    then: [{ put: key, value: encodeRecord(renewed) }],
  });
  if (succeeded) return renewed;
  throw new ProvisionError(`somebody else has changed master ${name} meanwhile`, {
    code: 'conflict',
    retryable: true,
    fields: { name },
  });
}

/** A master's keys are who it is: a certificate for others would cut it off from all its members. */
function requireSameKey({ name, chain }: MasterRecord, tls: Uint8Array, path: string): void {
  const { publicKey } = new X509Certificate(chain[0] ?? '');
  if (publicKey.export({ type: 'spki', format: 'der' }).equals(tls)) return;
  throw new InvalidInputError(`${path} is not the key that master ${name} was made with`, { path });
}

function unknownMaster(name: MasterName, masters: readonly MasterRecord[]): ProvisionError {
  const known = masters.map((master) => master.name).join(', ') || 'none yet';
  return new ProvisionError(`there is no master ${name}; the VPN has: ${known}`, {
    code: 'unknown-master',
    fields: { name },
  });
}
