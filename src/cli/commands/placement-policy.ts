import { type Command, Option } from 'commander';
import type { SeenPolicyOptions } from '../actions/placement-policy.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  type OperatorOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';
import { wholeNumber } from '../option-values.ts';

export function addPlacementPolicyCommands(placement: Command, run: ActionRunner): void {
  const policy = placement
    .command('policy')
    .description('Store the placement policy of the VPN, show it, check one, or remove it.');
  addSet(policy, run);
  addShow(policy, run);
  addCheck(policy, run);
  addRemove(policy, run);
}

const revisionOption = (): Option =>
  new Option('--revision <number>', 'the one that you have seen').argParser(
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  );
const forceOption = (): Option => new Option('--force', 'whatever is stored');

function addSet(policy: Command, run: ActionRunner): void {
  policy
    .command('set')
    .description(
      'Store a policy for all masters, and show what it changes. Where one is stored already, say which you have seen.',
    )
    .argument('<file>', 'YAML; kept as it is, with its comments')
    .addOption(revisionOption())
    .addOption(forceOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: setExamples }))
    .action((file: string, options: SeenPolicyOptions) =>
      run(async (context) =>
        (await import('../actions/placement-policy.ts')).setPolicyAction(file, options, context),
      ),
    );
}

const setExamples = [
  ['hanse placement policy set policy.yaml', 'the first one'],
  ['hanse placement policy set policy.yaml --revision 412', 'in the place of that one'],
] as const;

function addShow(policy: Command, run: ActionRunner): void {
  policy
    .command('show')
    .description('Print the stored policy as it was written; who did, and when, on standard error.')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse placement policy show > policy.yaml', '']] }))
    .action((options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/placement-policy.ts')).showPolicyAction(options, context),
      ),
    );
}

function addCheck(policy: Command, run: ActionRunner): void {
  policy
    .command('check')
    .description('Say whether a file is a policy, or where it is wrong. Nobody is asked.')
    .argument('<file>', 'YAML')
    .addHelpText('after', help({ examples: [['hanse placement policy check policy.yaml', '']] }))
    .action((file: string) =>
      run(async (context) =>
        (await import('../actions/placement-policy.ts')).checkPolicyAction(file, context),
      ),
    );
}

function addRemove(policy: Command, run: ActionRunner): void {
  policy
    .command('remove')
    .description('Remove the stored policy: masters go by the defaults then.')
    .addOption(revisionOption())
    .addOption(forceOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      help({ examples: [['hanse placement policy remove --revision 412', '']] }),
    )
    .action((options: SeenPolicyOptions) =>
      run(async (context) =>
        (await import('../actions/placement-policy.ts')).removePolicyAction(options, context),
      ),
    );
}
