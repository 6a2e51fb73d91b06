import { X509Certificate } from 'node:crypto';
import { InvalidInputError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import {
  decodeRecord,
  encodeRecord,
  type MasterRecord,
  masterRecordSchema,
} from '../model/records.ts';
import { writeDurably } from '../runtime/durable-file.ts';
import { masterKey } from '../store/keys.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { issueMasterCertificate } from './master-certificate.ts';
import { readMasterKeys } from './master-keys.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';

/**
 * Gives a master a new certificate for the keys that it has: first in its file, then in its record,
 * unless somebody has changed that meanwhile. Old and new are both good until the old one ends, so a
 * crash in between harms nothing, and the master may go on with the old one until it is restarted.
 * @param rootKeyPath where the VPN's root key is
 * @throws ProvisionError `unknown-master`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 * @throws InvalidInputError when the master's keys are not here, or are not those of its record
 */
export async function renewMaster(
  name: MasterName,
  rootKeyPath: string,
  dependencies: ProvisionDependencies,
): Promise<MasterRecord> {
  const { directory, store, storeUrl, nowMs } = dependencies;
  const { vpn, masters } = await readDirectoryRecords(store, storeUrl);
  const key = masterKey(name);
  const entry = await store.get(key);
  if (!entry) throw unknownMaster(name, masters);
  const record = decodeRecord(masterRecordSchema, key, entry.value);
  const root = await openRoot(vpn, rootKeyPath);
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
