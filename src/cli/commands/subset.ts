import type { Command } from 'commander';
import type { BackupsActionOptions, SubsetCreateOptions } from '../actions/subset.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  profileOption,
  regionStoreOption,
  rootKeyOption,
  storeOption,
} from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { help } from '../help.ts';
import { collect } from '../option-values.ts';

export function addSubsetCommands(program: Command, run: ActionRunner): void {
  const subset = program
    .command('subset')
    .description('Make and list subsets, and choose their backups.');
  addCreate(subset, run);
  addList(subset, run);
  addShow(subset, run);
  addBackups(subset, run);
}

function addCreate(subset: Command, run: ActionRunner): void {
  subset
    .command('create')
    .description(
      "Make a subset: its addresses, its key and its masters' right to admit members. Needs the VPN's root key.",
    )
    .argument('<name>', 'letters, digits and hyphens; never given to another subset')
    .requiredOption('--acting <master>', 'the master that governs it')
    .option('--backup <master>', 'a master that can take over; in the order given', collect, [])
    .option('--region <name>', "keep its roll in this region's store and in no other")
    .addOption(regionStoreOption())
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: createExamples }))
    .action((name: string, options: SubsetCreateOptions) =>
      run(async (context) =>
        (await import('../actions/subset.ts')).createSubsetAction(name, options, context),
      ),
    );
}

function addList(subset: Command, run: ActionRunner): void {
  subset
    .command('list')
    .description('List the subsets, who acts for each, its region and its addresses.')
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

function addShow(subset: Command, run: ActionRunner): void {
  subset
    .command('show')
    .description('Show one subset: who acts for it and since when, its backups, region and blocks.')
    .argument('<name>', 'the subset')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse subset show europe', '']] }))
    .action((name: string, options: DirectorySourceOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/directory-listings.ts')).showSubset(name, options, context),
      ),
    );
}

function addBackups(subset: Command, run: ActionRunner): void {
  subset
    .command('backups')
    .description(
      "Show in which order a subset's masters are used for each of its address blocks, or choose its backups. To choose needs the VPN's root key.",
    )
    .argument('<name>', 'the subset')
    .option(
      '--set <masters>',
      "all its backups from now on, such as ams,lon: in the order in which they take its first block over; '' for none",
    )
    .addOption(regionStoreOption())
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: backupsExamples }))
    .action((name: string, options: BackupsActionOptions) =>
      run(async (context) =>
        (await import('../actions/subset.ts')).backupsAction(name, options, context),
      ),
    );
}

const createExamples = [
  ['hanse subset create europe --acting fra --backup ams --backup lon', ''],
  ['hanse subset create europe --acting fra --region eu', 'its roll never leaves the region'],
] as const;

const backupsExamples = [
  ['hanse subset backups europe', ''],
  ['hanse subset backups europe --set ams,lon', 'takes effect at once'],
] as const;
