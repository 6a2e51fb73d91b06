import type { Command } from 'commander';
import type { StoreCopyOptions } from '../actions/store.ts';
import type { ActionRunner } from '../command-context.ts';
import { directoryOption, jsonOption } from '../common-options.ts';
import { help } from '../help.ts';

export function addStoreCommands(program: Command, run: ActionRunner): void {
  const store = program.command('store').description('Move a VPN to another store.');
  store
    .command('copy')
    .description(
      'Copy everything from one store into another, empty one, and compare. Stop every master first.',
    )
    .requiredOption('--from <url>', 'the store that is left, which stays as it is')
    .requiredOption('--to <url>', 'the store that is moved to; it must be empty')
    .option('--update-configs', 'put the new store into the files of the masters under --dir')
    .addOption(directoryOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples }))
    .action((options: StoreCopyOptions) =>
      run(async (context) =>
        (await import('../actions/store.ts')).copyStoreAction(options, context),
      ),
    );
}

const examples = [
  [
    'hanse store copy --from sqlite:/var/lib/hanse/store.db --to etcd://10.0.0.1:2379,10.0.0.2:2379 --update-configs',
    'after `systemctl stop` of every master; start them again afterwards',
  ],
] as const;
