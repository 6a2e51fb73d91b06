import type { Command } from 'commander';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  type RootKeyOptions,
  rootKeyOption,
  storeOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addOperatorCommands(program: Command, run: ActionRunner): void {
  const operator = program.command('operator').description("Make operators' credentials.");
  operator
    .command('create')
    .description(
      "Make an operator's profile: a directory to copy to the operator's machine. Needs the VPN's root key.",
    )
    .argument('<name>', 'letters, digits and hyphens; the audit log names it')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: createExamples }))
    .action((name: string, options: RootKeyOptions) =>
      run(async (context) =>
        (await import('../actions/operator.ts')).createOperatorAction(name, options, context),
      ),
    );
}

const createExamples = [
  ['hanse operator create ada', ''],
  [
    'scp -r /var/lib/hanse/operators/ada laptop:.config/hanse',
    'on the laptop, hanse finds it there',
  ],
] as const;
