import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { describeError, InvalidInputError } from '../../model/error.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import { memberRecordSchema } from '../../model/records/roll.ts';
import { readIfPresent, removeDurably, writeDurably } from '../../runtime/durable-file.ts';
import type { KeyValue } from '../../store/differences.ts';
import { moveStateKey, vpnKey } from '../../store/keys.ts';
import type { ProvisionDependencies } from '../create-vpn.ts';
import type { DataDirectory } from '../data-directory.ts';
import { movedConfigText } from '../master-config-edit.ts';
import { counting, type MoveProgress } from '../move/move-progress.ts';
import { StoreFilling, verifyStore } from '../move/store-filling.ts';
import { ProvisionError } from '../provision-error.ts';
import { badBackup, type LoadedBackup } from './backup-file.ts';
import { type CheckedBackup, checkBackup } from './check-backup.ts';
import { type DataFile, masterConfigName, parseDataPath } from './data-files.ts';
import { planRestoredStore } from './restored-roll.ts';

export interface RestoreOptions {
  readonly backup: LoadedBackup;
  readonly confirmMembers: boolean;
}

export interface RestoreDependencies extends ProvisionDependencies {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
}

export interface RestoreResult {
  /** In the store. */
  readonly entries: number;
  readonly checked: CheckedBackup;
  /** Members that wait for an operator's word, by subset. */
  readonly suspended: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly string[];
  /** An earlier attempt had begun it, or had come to its end but for saying so. */
  readonly isResumed: boolean;
}

/** `DIR/.restoring`: a restoration that has not come to its end. */
const markSchema = z.strictObject({
  version: z.literal(1),
  /** SHA-256 of the file. */
  backup: z.string(),
  store: z.string(),
});
const markName = '.restoring';

/**
 * Brings a VPN back from a backup, into an empty directory and an empty store. Everything is checked
 * before anything is written, and read back afterwards. Whatever kills it: the same call, made again,
 * completes it; until its end no master starts on the store.
 * @throws ProvisionError `bad-backup`, `not-empty`, `differs`, `conflict`; StoreError
 */
export async function restoreBackup(
  { backup, confirmMembers }: RestoreOptions,
  dependencies: RestoreDependencies,
): Promise<RestoreResult> {
  const { directory, store, storeUrl, nowMs, signal, onProgress } = dependencies;
  const checked = await checkBackup(backup);
  const files = backup.files.map((file) => placedFile(file, dependencies));
  const wanted = planRestoredStore(backup, checked, { restoredAtMs: nowMs, confirmMembers });
  const total = wanted.length;
  const target = { store, storeUrl, signal };
  const mark = { version: 1, backup: backup.sha256, store: storeUrl } as const;
  const hasMark = await requireUsable(directory, mark);
  const described = {
    checked,
    suspended: suspendedIn(wanted),
    files: files.map(({ path }) => path),
    entries: total,
  };
  if (hasMark && (await isFinished(dependencies))) {
    await removeDurably(join(directory.path, markName));
    return { ...described, isResumed: true };
  }
  const filling = await StoreFilling.begin({ kind: 'restoration', source: backup.sha256 }, target);
  await writeDurably(join(directory.path, markName), `${JSON.stringify(mark)}\n`);
  for (const { path, text } of files) await writeDurably(join(directory.path, path), text);
  const withoutVpn = wanted.filter(({ key }) => key !== vpnKey);
  await filling.write(withoutVpn, counting('writing', total, onProgress));
  const onCompared = counting('verifying', total, onProgress);
  await verifyStore(wanted, target, { pending: vpnKey, onCompared });
  await verifyFiles(files, directory);
  await filling.finish(wanted.find(({ key }) => key === vpnKey));
  await removeDurably(join(directory.path, markName));
  return { ...described, isResumed: filling.isResumed };
}

/** The text that goes to its new place: a master's configuration names the new directory and store. */
function placedFile(
  { path, text }: DataFile,
  { directory, storeUrl }: RestoreDependencies,
): DataFile {
  const parsed = parseDataPath(path);
  if (parsed?.kind !== 'master' || parsed.file !== masterConfigName) return { path, text };
  try {
    return { path, text: movedConfigText(text, { dir: directory.path, store: storeUrl }, path) };
  } catch (cause) {
    throw badBackup(`the backup's ${path} does not hold: ${describeError(cause)}`, cause);
  }
}

/**
 * Refuses a directory in which anything is but a restoration of the same backup, or the store.
 * @returns whether such a restoration is there
 */
async function requireUsable(
  { path }: DataDirectory,
  mark: z.infer<typeof markSchema>,
): Promise<boolean> {
  const found = await readMark(path);
  if (found) {
    if (found.backup === mark.backup && found.store === mark.store) return true;
    throw new ProvisionError(
      `${path} holds an interrupted restoration of another backup, or into the store ${found.store}: finish that, or name an empty directory`,
      { code: 'not-empty', fields: { directory: path } },
    );
  }
  const storeFiles = filesOfStore(mark.store, path);
  const others = (await readdir(path)).filter(
    // A draft of the mark is what a crash leaves at the very start.
    (name) => !storeFiles.includes(name) && !name.startsWith(`.${markName}.`),
  );
  if (others.length === 0) return false;
  throw new ProvisionError(
    `${path} is not empty: name a directory that holds nothing; what is there is never overwritten`,
    { code: 'not-empty', fields: { directory: path } },
  );
}

async function readMark(directory: string): Promise<z.infer<typeof markSchema> | undefined> {
  const path = join(directory, markName);
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return markSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new InvalidInputError(`${path} is not of a restoration`, { path }, cause);
  }
}

/** What SQLite puts into the directory, when the store is there. */
function filesOfStore(storeUrl: string, directory: string): readonly string[] {
  const [, path] = /^sqlite:(.+)$/s.exec(storeUrl) ?? [];
  if (path === undefined || dirname(path) !== directory) return [];
  return ['', '-wal', '-shm', '-journal'].map((suffix) => `${basename(path)}${suffix}`);
}

/** The store was empty when the mark was written, so what is whole in it is the restoration. */
async function isFinished({ store, signal }: RestoreDependencies): Promise<boolean> {
  if (await store.get(moveStateKey, signal)) return false;
  return (await store.get(vpnKey, signal)) !== undefined;
}

async function verifyFiles(files: readonly DataFile[], { path }: DataDirectory): Promise<void> {
  for (const file of files) {
    const where = join(path, file.path);
    if ((await readIfPresent(where)) === file.text) continue;
    throw new ProvisionError(`${where} does not hold what was written into it: run this again`, {
      code: 'differs',
      fields: { key: where },
      retryable: true,
    });
  }
}

function suspendedIn(entries: readonly KeyValue[]): Readonly<Record<string, readonly string[]>> {
  const suspended: Record<string, string[]> = {};
  for (const { key, value } of entries) {
    if (!/^roll\/[^/]+\/member\//.test(key)) continue;
    const { subset, name, state } = decodeRecord(memberRecordSchema, key, value);
    if (state !== 'suspended') continue;
    suspended[subset] ??= [];
    suspended[subset].push(name);
  }
  return suspended;
}
