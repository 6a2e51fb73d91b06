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
  const operator = program
    .command('operator')
    .description("Make and renew operators' credentials.");
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
  operator
    .command('renew')
    .description(
      "Give an operator a new certificate, for a year, with the key that it has. Needs the VPN's root key.",
    )
    .argument('<name>', 'an operator whose profile is in this data directory')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: renewExamples }))
    .action((name: string, options: RootKeyOptions) =>
      run(async (context) =>
        (await import('../actions/operator.ts')).renewOperatorAction(name, options, context),
      ),
    );
}

const renewExamples = [
  [
    'hanse operator renew ada',
    "with the profile in DIR/operators/ada; copy it to the operator's machine again",
  ],
] as const;

const createExamples = [
  ['hanse operator create ada', ''],
  [
    'scp -r /var/lib/hanse/operators/ada laptop:.config/hanse',
    'on the laptop, hanse finds it there',
  ],
] as const;
