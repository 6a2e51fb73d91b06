import type { Command } from 'commander';
import type { MeasureOptions } from '../actions/measure.ts';
import type { ActionRunner } from '../command-context.ts';
import { directoryOption, jsonOption } from '../common-options.ts';
import { help } from '../help.ts';

export function addMeasureCommand(program: Command, run: ActionRunner): void {
  program
    .command('measure')
    .description(
      "Show how well this machine's member is connected to each master: latency, jitter, loss, hops, bandwidth, and when it measures again.",
    )
    .option('--now', 'measure first, as far as the budget of bytes allows')
    .addOption(directoryOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse measure --now', '']] }))
    .action((options: MeasureOptions) =>
      run(async (context) =>
        (await import('../actions/measure.ts')).measureAction(options, context),
      ),
    );
}
