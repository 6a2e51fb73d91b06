import { type Command, Option } from 'commander';
import type { RegionCreateOptions } from '../actions/region.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  type StoreOptions,
  storeOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addRegionCommands(program: Command, run: ActionRunner): void {
  const region = program
    .command('region')
    .description(
      'Make and list regions: stores for the rolls of subsets that leave it for no other.',
    );
  region
    .command('create')
    .description(
      'Name an empty store that the rolls of some subsets are to be kept in. The directory stays where it is.',
    )
    .argument('<name>', 'letters, digits and hyphens')
    .requiredOption(
      '--store <url>',
      "the region's store: etcd://HOST,HOST,HOST/PREFIX, or sqlite:PATH",
    )
    .addOption(
      new Option(
        '--directory-store <url>',
        "the VPN's store: sqlite:PATH, or etcd://… (default: sqlite:DIR/store.db)",
      ).env('HANSE_STORE'),
    )
    .addOption(directoryOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: createExamples, environment: true }))
    .action((name: string, options: RegionCreateOptions) =>
      run(async (context) =>
        (await import('../actions/region.ts')).createRegionAction(name, options, context),
      ),
    );
  region
    .command('list')
    .description('List the regions, their stores and the subsets whose rolls are there.')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse region list', '']] }))
    .action((options: StoreOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/region.ts')).listRegionsAction(options, context),
      ),
    );
}

const createExamples = [
  [
    "hanse region create eu --store 'etcd://10.1.0.1,10.1.0.2,10.1.0.3/corp?ca=/etc/hanse/etcd-ca.pem'",
    '',
  ],
  ['hanse subset create europe --region eu --acting fra --backup ams', 'what is kept there'],
] as const;
