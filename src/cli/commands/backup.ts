import type { Command } from 'commander';
import type { BackupCommandOptions, RestoreCommandOptions } from '../actions/backup.ts';
import type { ActionRunner } from '../command-context.ts';
import { directoryOption, jsonOption, storeOption } from '../common-options.ts';
import { help } from '../help.ts';

export function addBackupCommand(program: Command, run: ActionRunner): void {
  program
    .command('backup')
    .description(
      'Save a whole VPN in one new file: its store, the sealing key, masters and operators of this machine. Masters may run.',
    )
    .argument('<file>', 'the file to make; it is a secret')
    .option('--with-root-key', "the VPN's root key too; who has the file then has the VPN")
    .option('--verify', 'check a backup that is there, and change nothing')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: backupExamples }))
    .action((file: string, options: BackupCommandOptions) =>
      run(async (context) =>
        (await import('../actions/backup.ts')).backupAction(file, options, context),
      ),
    );
}

export function addRestoreCommand(program: Command, run: ActionRunner): void {
  program
    .command('restore')
    .description(
      'Bring a VPN back from a backup, into an empty directory and an empty store. Its members wait for `hanse member confirm`.',
    )
    .argument('<file>', 'from `hanse backup`')
    .option(
      '--confirm-members',
      'let every member of the backup in again at once, those too who were evicted after it',
    )
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: restoreExamples }))
    .action((file: string, options: RestoreCommandOptions) =>
      run(async (context) =>
        (await import('../actions/backup.ts')).restoreAction(file, options, context),
      ),
    );
}

const backupExamples = [
  ['hanse backup /root/corp-2026-11-23.hanse', ''],
  ['hanse backup /root/corp-2026-11-23.hanse --verify', 'is it whole, and can it be restored?'],
] as const;

const restoreExamples = [
  ['hanse restore corp-2026-11-23.hanse', 'into /var/lib/hanse, which is empty'],
  ['hanse restore corp-2026-11-23.hanse --store etcd://10.0.0.1:2379', ''],
] as const;
