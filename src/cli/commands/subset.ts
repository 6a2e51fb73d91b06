import type { Command } from 'commander';
import type { SubsetCreateOptions } from '../actions/subset.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  profileOption,
  rootKeyOption,
  storeOption,
} from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { help } from '../help.ts';
import { collect } from '../option-values.ts';

export function addSubsetCommands(program: Command, run: ActionRunner): void {
  const subset = program.command('subset').description('Make and list subsets.');
  subset
    .command('create')
    .description(
      "Make a subset: its addresses, its key and its masters' right to admit members. Needs the VPN's root key.",
    )
    .argument('<name>', 'letters, digits and hyphens; never given to another subset')
    .requiredOption('--acting <master>', 'the master that governs it')
    .option('--backup <master>', 'a master that can take over; in the order given', collect, [])
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: createExamples }))
    .action((name: string, options: SubsetCreateOptions) =>
      run(async (context) =>
        (await import('../actions/subset.ts')).createSubsetAction(name, options, context),
      ),
    );
  subset
    .command('list')
    .description('List the subsets, who acts for each and which addresses it has.')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse subset list', '']] }))
    .action((options: DirectorySourceOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/directory-listings.ts')).listSubsets(options, context),
      ),
    );
}

const createExamples = [
  ['hanse subset create europe --acting fra --backup ams --backup lon', ''],
] as const;
