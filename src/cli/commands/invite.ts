import { type Command, Option } from 'commander';
import type { InviteCreateOptions, InviteListOptions } from '../actions/invite.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';
import { collect, duration, wholeNumber } from '../option-values.ts';

export function addInviteCommands(program: Command, run: ActionRunner): void {
  const invite = program.command('invite').description('Let new members in.');
  addCreate(invite, run);
  invite
    .command('list')
    .description('List the invites of a subset, or of all, and how often each was used.')
    .option('--subset <name>', 'only of this one')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse invite list', '']] }))
    .action((options: InviteListOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/invite.ts')).listInvitesAction(options, context),
      ),
    );
  invite
    .command('revoke')
    .description(
      'Make an invite useless, in all of its subsets. Members that it has admitted stay.',
    )
    .argument('<id>', 'as `hanse invite list` shows it')
    .option('--subset <name>', 'where it is; the others are not asked then')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addHelpText('after', help({ examples: [revokeExample] }))
    .action((id: string, options: InviteListOptions) =>
      run(async (context) =>
        (await import('../actions/invite.ts')).revokeInviteAction(id, options, context),
      ),
    );
}

function addCreate(invite: Command, run: ActionRunner): void {
  invite
    .command('create')
    .description('Make a token with which members join. Standard output gets the token only.')
    .option(
      '--subset <name>',
      'where they join; with several, or without, placement decides for each of them',
      collect,
      [],
    )
    .option('--home <subset>', 'whose master places them, and counts the uses')
    .addOption(
      new Option('--uses <number>', 'how many members it admits')
        .argParser(wholeNumber(1, 1_000_000))
        .default(1),
    )
    .addOption(
      new Option('--expires <time>', 'how long it can be used; at most 90d')
        .argParser(duration)
        .default(duration('24h'), '24h'),
    )
    .option('--name <member>', 'the only name that it admits')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: createExamples, environment: true }))
    .action((options: InviteCreateOptions) =>
      run(async (context) =>
        (await import('../actions/invite.ts')).createInviteAction(options, context),
      ),
    );
}

const createExamples = [
  ['hanse invite create --subset europe --name web-1', ''],
  ['hanse invite create --subset europe | ssh box hanse member join -', ''],
  ['TOKEN=$(hanse invite create --subset europe --uses 50 --expires 7d)', ''],
  ['hanse invite create --uses 20', 'each joins where the placement policy has it best'],
] as const;

const revokeExample = ['hanse invite revoke 0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e11', ''] as const;
