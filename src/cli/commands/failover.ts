import { type Command, Option } from 'commander';
import type { DrainOptions, FailoverHistoryOptions } from '../actions/failover.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  jsonStepsOption,
  type ListingOptions,
  type OperatorOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';
import { duration, wholeNumber } from '../option-values.ts';

/** `hanse master drain` and `hanse master return`. */
export function addDrainCommands(master: Command, run: ActionRunner): void {
  master
    .command('drain')
    .description(
      'Empty a master, as before maintenance: its subsets and their members go to the backups, and none come until it is returned. Exits with 1 when it could not be emptied in time.',
    )
    .argument('<name>', 'the master')
    .addOption(
      new Option('--wait <time>', 'how long to wait for it to be empty; at most 10m')
        .argParser(duration)
        .default(duration('60s'), '60s'),
    )
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: drainExamples }))
    .action((name: string, options: DrainOptions) =>
      run(async (context) =>
        (await import('../actions/failover.ts')).drainAction(name, options, context),
      ),
    );
  master
    .command('return')
    .description(
      'End a drain, and have the master take its own subsets back now. Exits with 1 when one did not come back.',
    )
    .argument('<name>', 'the master')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse master return fra', '']] }))
    .action((name: string, options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/failover.ts')).returnAction(name, options, context),
      ),
    );
}

export function addFailoverCommands(program: Command, run: ActionRunner): void {
  const failover = program
    .command('failover')
    .description('Show how subsets have changed their acting masters.');
  failover
    .command('history')
    .description('Show who came to act for which subset, when, why and how fast, newest first.')
    .option('--subset <name>', 'only of this one')
    .addOption(
      new Option('--limit <number>', 'at most so many')
        .argParser(wholeNumber(1, 1_000))
        .default(20),
    )
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse failover history --subset europe', '']] }))
    .action((options: FailoverHistoryOptions) =>
      run(async (context) =>
        (await import('../actions/failover.ts')).failoverHistoryAction(options, context),
      ),
    );
}

const drainExamples = [
  ['hanse master drain fra && ssh fra apt upgrade', ''],
  ['hanse master drain fra --wait 10m', 'for a master with many members'],
] as const;
