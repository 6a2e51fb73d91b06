import { InvalidInputError } from '../../model/error.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { type VpnRecord, vpnRecordSchema } from '../../model/records/directory.ts';
import { createDurably } from '../../runtime/durable-file.ts';
import { softwareVersion } from '../../runtime/software-version.ts';
import { vpnKey } from '../../store/keys.ts';
import type { Entry } from '../../store/store.ts';
import { readSnapshot } from '../../store/whole-store.ts';
import type { ProvisionDependencies } from '../create-vpn.ts';
import { ProvisionError } from '../provision-error.ts';
import { decodeBackup, encodeBackup, type LoadedBackup } from './backup-file.ts';
import { type CheckedBackup, checkBackup } from './check-backup.ts';
import { readDataFiles } from './data-files.ts';

export interface BackupOptions {
  /** The file to make. */
  readonly path: string;
  readonly withRootKey: boolean;
  readonly signal: AbortSignal;
}

/**
 * Saves a whole VPN in one new file: its store as of one moment, while masters may run, and the files
 * of the data directory. The file is checked as it will be before a restoration, and is there, whole
 * and on the disk, or not at all.
 * @throws ProvisionError `exists` when there is a file of that name, `no-vpn`, `bad-backup`; StoreError
 */
export async function createBackup(
  { path, withRootKey, signal }: BackupOptions,
  { directory, store, storeUrl, nowMs }: ProvisionDependencies,
): Promise<LoadedBackup & { readonly checked: CheckedBackup; readonly bytes: number }> {
  const { entries: all } = await readSnapshot(store, signal);
  const entries = all.filter(({ lease }) => lease === undefined);
  const { name, id } = requireVpn(entries, storeUrl);
  const files = await readDataFiles(directory, { withRootKey });
  const bytes = encodeBackup({
    header: {
      vpn: { name, id },
      createdAtMs: nowMs,
      software: softwareVersion,
      files: files.length,
      entries: entries.length,
    },
    files,
    entries,
  });
  const loaded = decodeBackup(bytes);
  const checked = await checkBackup(loaded);
  await createDurably(path, bytes).catch((error: unknown) => explain(path, error));
  return { ...loaded, checked, bytes: bytes.length };
}

function requireVpn(entries: readonly Entry[], storeUrl: string): VpnRecord {
  const entry = entries.find(({ key }) => key === vpnKey);
  if (entry) return decodeRecord(vpnRecordSchema, entry.key, entry.value);
  throw new ProvisionError(
    `the store ${storeUrl} holds no VPN: name the right one with --dir or --store`,
    { code: 'no-vpn', fields: { store: storeUrl } },
  );
}

function explain(path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') {
    throw new ProvisionError(`${path} exists, and a backup never replaces a file: name a new one`, {
      code: 'exists',
      fields: { name: path },
    });
  }
  if (code === 'ENOENT') {
    throw new InvalidInputError(`the directory of ${path} does not exist: create it first`, {
      path,
    });
  }
  throw error;
}
