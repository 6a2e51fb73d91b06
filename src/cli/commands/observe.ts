import { type Command, Option } from 'commander';
import type { AuditOptions } from '../actions/audit.ts';
import type { StatusOptions } from '../actions/status.ts';
import type { WatchOptions } from '../actions/watch.ts';
import type { ActionRunner } from '../command-context.ts';
import { directoryOption, jsonOption, profileOption } from '../common-options.ts';
import { help } from '../help.ts';
import { wholeNumber } from '../option-values.ts';

export function addStatusCommand(program: Command, run: ActionRunner): void {
  program
    .command('status')
    .description(
      'Show how things are: the member that runs on this machine, and with an operator profile every master.',
    )
    .option('--master <name>', 'only this master')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: statusExamples }))
    .action((options: StatusOptions) =>
      run(async (context) => (await import('../actions/status.ts')).statusAction(options, context)),
    );
}

export function addWatchCommand(program: Command, run: ActionRunner): void {
  program
    .command('watch')
    .description('Show what happens at the masters, as it happens, until interrupted.')
    .option('--subset <name>', 'only what concerns this subset')
    .option('--master <name>', 'only at this master')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(new Option('--json', 'print every event as one line of JSON'))
    .addHelpText('after', help({ examples: watchExamples }))
    .action((options: WatchOptions) =>
      run(async (context) => (await import('../actions/watch.ts')).watchAction(options, context)),
    );
}

export function addAuditCommand(program: Command, run: ActionRunner): void {
  program
    .command('audit')
    .description(
      'Show the membership changes of a subset, or what operators have changed for the whole VPN, newest first.',
    )
    .option('--subset <name>', "the subset (default: the VPN's own log)")
    .addOption(
      new Option('--limit <number>', 'at most so many')
        .argParser(wholeNumber(1, 1_000))
        .default(100),
    )
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: auditExamples }))
    .action((options: AuditOptions) =>
      run(async (context) => (await import('../actions/audit.ts')).auditAction(options, context)),
    );
}

const statusExamples = [
  ['hanse status', ''],
  ['hanse status --master fra --json', ''],
] as const;

const auditExamples = [
  ['hanse audit --subset europe --limit 20', ''],
  ['hanse audit', 'changes of the placement policy'],
] as const;

const watchExamples = [
  ['hanse watch', ''],
  ['hanse watch --subset europe --json | jq \'select(.event.type == "membership")\'', ''],
] as const;
