import { resolve } from 'node:path';
import { InvalidInputError } from '../../model/error.ts';
import { type LoadedBackup, readBackup } from '../../provision/backup/backup-file.ts';
import {
  type BackupSubset,
  type CheckedBackup,
  checkBackup,
} from '../../provision/backup/check-backup.ts';
import { createBackup } from '../../provision/backup/create-backup.ts';
import { type RestoreResult, restoreBackup } from '../../provision/backup/restore-backup.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, StoreOptions } from '../common-options.ts';
import { formatBytes, formatTime } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { ProgressLine } from '../output/progress-line.ts';
import { formatFields } from '../output/table.ts';
import { storeUrlOf, withProvisioning } from '../provisioning.ts';
import { paint, type Terminal } from '../terminal.ts';

export interface BackupCommandOptions extends StoreOptions, ListingOptions {
  readonly withRootKey?: boolean;
  readonly verify?: boolean;
}

export interface RestoreCommandOptions extends StoreOptions, ListingOptions {
  readonly confirmMembers?: boolean;
}

/** More names than fit on a screen tell nobody anything. */
const mostNames = 20;

export async function backupAction(
  file: string,
  options: BackupCommandOptions,
  context: CommandContext,
): Promise<undefined> {
  const path = resolve(file);
  if (options.verify) return verifyBackup(path, options, context);
  const { terminal, signal } = context;
  const made = await withProvisioning(options, 'existing', (dependencies) =>
    createBackup({ path, withRootKey: options.withRootKey ?? false, signal }, dependencies),
  );
  report(path, { backup: made, checked: made.checked, bytes: made.bytes }, options, terminal);
  if (options.json) return;
  terminal.err.write(
    `${paint(terminal.err, 'yellow', 'This file is a secret')}: it has the keys of the VPN. Keep it as safe as the sealing key, and away from this machine.\n`,
  );
  if (!made.checked.hasRootKey) {
    terminal.err.write('The root key is not in it: keep that elsewhere, or add --with-root-key.\n');
  }
}

async function verifyBackup(
  path: string,
  options: BackupCommandOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  if (options.withRootKey) {
    throw new InvalidInputError('--verify makes no backup, so --with-root-key has no place there');
  }
  const backup = await readBackup(path);
  report(path, { backup, checked: await checkBackup(backup) }, options, terminal);
  if (!options.json) terminal.err.write('It is whole, and everything in it holds.\n');
}

export async function restoreAction(
  file: string,
  options: RestoreCommandOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const backup = await readBackup(resolve(file));
  // Before a directory and a store are made for it.
  await checkBackup(backup);
  const progress = new ProgressLine(terminal.err);
  const confirmMembers = options.confirmMembers ?? false;
  const result = await withProvisioning(options, 'new', (dependencies) =>
    restoreBackup(
      { backup, confirmMembers },
      {
        ...dependencies,
        signal,
        onProgress: ({ phase, done, total }) => progress.show(`${phase} ${done} of ${total}`),
      },
    ),
  ).finally(() => progress.end());
  if (options.json) writeJson(terminal.out, restoreDocument(backup, result));
  else {
    terminal.out.write(describeRestoration(backup, result, options));
    terminal.err.write(nextStep(result, confirmMembers));
  }
}

interface Report {
  readonly backup: LoadedBackup;
  readonly checked: CheckedBackup;
  readonly bytes?: number;
}

function report(
  path: string,
  { backup, checked, bytes }: Report,
  { json }: ListingOptions,
  { out }: Terminal,
): void {
  const { header, files, entries, sha256 } = backup;
  const { subsets, masters, masterFiles, operators, hasRootKey } = checked;
  if (json) {
    const { createdAtMs, vpn, software } = header;
    const counts = { files: files.length, entries: entries.length };
    const holds = { subsets, masters, masterFiles, operators, hasRootKey };
    writeJson(out, { path, sha256, createdAtMs, vpn: vpn.name, software, ...counts, ...holds });
    return;
  }
  out.write(
    formatFields([
      ['backup', bytes === undefined ? path : `${path}, ${formatBytes(bytes)}`],
      ['vpn', `${header.vpn.name} (${header.vpn.id})`],
      ['made', `${formatTime(header.createdAtMs)} by Hanse ${header.software}`],
      ...describeContents(checked),
      ['store', `${entries.length} entries`],
      ['files', `${files.length}: ${hasRootKey ? 'with' : 'without'} the root key`],
      ['sha256', sha256],
    ]),
  );
}

function describeContents({
  masters,
  masterFiles,
  operators,
  subsets,
}: CheckedBackup): readonly (readonly [string, string])[] {
  const without = masters.filter((name) => !masterFiles.includes(name));
  const note = without.length === 0 ? '' : `; without the files of ${listed(without)}`;
  return [
    ['masters', `${listed(masters) || 'none'}${note}`],
    ['operators', listed(operators) || 'none'],
    ['subsets', subsets.map(describeSubset).join(', ') || 'none'],
  ];
}

function describeSubset({ name, members, region }: BackupSubset): string {
  if (region !== undefined) return `${name} (its roll is in the region ${region}, not here)`;
  const { active = 0, suspended = 0 } = members;
  return `${name} (${active} members${suspended === 0 ? '' : `, ${suspended} suspended`})`;
}

function restoreDocument(
  { header, sha256 }: LoadedBackup,
  { checked, suspended, files, entries, isResumed }: RestoreResult,
): object {
  const { vpn, createdAtMs } = header;
  const { masterFiles, operators } = checked;
  const done = { files, entries, isResumed };
  return { vpn: vpn.name, createdAtMs, sha256, suspended, masterFiles, operators, ...done };
}

function describeRestoration(
  { header }: LoadedBackup,
  { checked, suspended, entries, files, isResumed }: RestoreResult,
  options: RestoreCommandOptions,
): string {
  const waiting = Object.entries(suspended).map(
    ([subset, names]) => [`suspended in ${subset}`, `${names.length}: ${listed(names)}`] as const,
  );
  return formatFields([
    ['vpn', `${header.vpn.name} (${header.vpn.id})`],
    ['as of', formatTime(header.createdAtMs)],
    ['directory', `${resolve(options.dir)}, ${files.length} files`],
    ['store', `${storeUrlOf(options)}, ${entries} entries`],
    ...describeContents(checked),
    ...waiting,
    ['went on', isResumed ? 'from an interrupted restoration' : undefined],
  ]);
}

function nextStep({ checked, suspended }: RestoreResult, confirmMembers: boolean): string {
  const isAnybody = Object.keys(suspended).length > 0;
  const members = confirmMembers
    ? 'Every member of the backup is let in again, also whoever was evicted or has left since: evict them anew.\n'
    : isAnybody
      ? 'Suspended members reach nobody until you say that they belong here: `hanse member confirm NAME.SUBSET`, or --all. Evict those who were evicted after the backup.\n'
      : '';
  return [
    members,
    'Invites did not come back: make new ones. Members who joined after the backup have to join again.\n',
    `Start ${checked.masterFiles.length === 1 ? 'the master' : 'the masters'} now: each subset gets a new key before it serves.\n`,
  ].join('');
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join(', ');
  return names.length > mostNames ? `${shown} and ${names.length - mostNames} more` : shown;
}
