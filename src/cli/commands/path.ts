import type { Command } from 'commander';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  type OperatorOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addPathCommand(program: Command, run: ActionRunner): void {
  program
    .command('path')
    .description(
      'Ask a member which other members it reaches directly: by which endpoint, why, since when, what was tried, round trip and age of the handshake.',
    )
    .argument('<member>', 'NAME.SUBSET, or NAME where there is one only')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse path web-1.europe', '']] }))
    .action((member: string, options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/path.ts')).showPathsAction(member, options, context),
      ),
    );
}
