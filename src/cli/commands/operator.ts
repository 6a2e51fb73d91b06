import type { Command } from 'commander';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  type OperatorOptions,
  profileOption,
  type RootKeyOptions,
  rootKeyOption,
  storeOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addOperatorCommands(program: Command, run: ActionRunner): void {
  const operator = program
    .command('operator')
    .description("Make, renew, list and revoke operators' credentials.");
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
  addForOperators(operator, run);
}

/** What needs no root key, but an operator. */
function addForOperators(operator: Command, run: ActionRunner): void {
  operator
    .command('list')
    .description('List the operators, also those that are revoked.')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse operator list', '']] }))
    .action((options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/operator.ts')).listOperatorsAction(options, context),
      ),
    );
  operator
    .command('revoke')
    .description(
      'Have every master refuse an operator from now on, whatever it holds. What it watches is cut off.',
    )
    .argument('<name>', 'as `hanse operator list` shows it')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: revokeExamples }))
    .action((name: string, options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/operator.ts')).revokeOperatorAction(name, options, context),
      ),
    );
}

const revokeExamples = [
  ['hanse operator revoke ada', 'her laptop was stolen'],
  ['hanse operator create ada', 'new credentials for her; needs the root key'],
] as const;

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
