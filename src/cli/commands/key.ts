import type { Command } from 'commander';
import type { RotateOptions } from '../actions/key-rotation.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  acknowledgementWaitOption,
  directoryOption,
  jsonOption,
  jsonStepsOption,
  type ListingOptions,
  type OperatorOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addKeyCommands(program: Command, run: ActionRunner): void {
  const key = program
    .command('key')
    .description('Show how old the keys of subsets are and who has them, and make new ones.');
  addStatus(key, run);
  addRotate(key, run);
}

function addStatus(key: Command, run: ActionRunner): void {
  key
    .command('status')
    .description(
      'Show the key of one subset, or of all: its epoch, its age, when it is rotated next, and who has not confirmed it yet. Never the key itself.',
    )
    .argument('[subset]', 'only this one')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: statusExamples }))
    .action((subset: string | undefined, options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/key-status.ts')).keyStatusAction(subset, options, context),
      ),
    );
}

function addRotate(key: Command, run: ActionRunner): void {
  key
    .command('rotate')
    .description(
      'Make a new key for subsets now, one after the other, and show who has applied it. Exits with 1 when a connected member has not in time.',
    )
    .argument('[subsets...]', 'whose keys')
    .option('--all', 'the keys of all subsets')
    .addOption(acknowledgementWaitOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: rotateExamples }))
    .action((subsets: readonly string[], options: RotateOptions) =>
      run(async (context) =>
        (await import('../actions/key-rotation.ts')).rotateAction(subsets, options, context),
      ),
    );
}

const statusExamples = [
  ['hanse key status', ''],
  ['hanse key status europe --json', 'everybody who has not confirmed it, by name'],
] as const;

const rotateExamples = [
  ['hanse key rotate europe', ''],
  ['hanse key rotate --all --wait 30s', ''],
] as const;
