import type { Command } from 'commander';
import type { MapOptions, PlanOptions, ScoringOptions } from '../actions/placement.ts';
import type { ApplyOptions } from '../actions/placement-apply.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  asLinksOption,
  directoryOption,
  graceOption,
  jsonOption,
  jsonStepsOption,
  type ListingOptions,
  moveWaitOption,
  policyOption,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';
import { collect } from '../option-values.ts';
import { addPlacementPolicyCommands } from './placement-policy.ts';

export function addPlacementCommands(program: Command, run: ActionRunner): void {
  const placement = program
    .command('placement')
    .description(
      'Show which subsets a policy would have members in, keep the policy, and move members by it.',
    );
  addExplain(placement, run);
  addPlan(placement, run);
  addApply(placement, run);
  addBackups(placement, run);
  addMap(placement, run);
  addPlacementPolicyCommands(placement, run);
}

function addExplain(placement: Command, run: ActionRunner): void {
  placement
    .command('explain')
    .description(
      'Show where a policy would have one member, and why: every candidate with every criterion, what excludes one, the second best, the backups.',
    )
    .argument('<member>', 'NAME.SUBSET, or NAME where only one subset has it')
    .addOption(policyOption())
    .addOption(asLinksOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse placement explain web-1.europe', '']] }))
    .action((member: string, options: ScoringOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/placement.ts')).explainPlacementAction(member, options, context),
      ),
    );
}

function addPlan(placement: Command, run: ActionRunner): void {
  placement
    .command('plan')
    .description(
      'Show what a policy would move: from which master to which subset, why, in which minute, and the totals; also for masters that there are no more, or subsets that there are not yet.',
    )
    .addOption(policyOption())
    .addOption(asLinksOption())
    .option('--without <master>', 'as if it were lost; may be repeated', collect, [])
    .option(
      '--with <subset=master>',
      'as if that master acted for a new subset of that name; may be repeated',
      collect,
      [],
    )
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: planExamples }))
    .action((options: PlanOptions) =>
      run(async (context) =>
        (await import('../actions/placement.ts')).planPlacementAction(options, context),
      ),
    );
}

function addApply(placement: Command, run: ActionRunner): void {
  placement
    .command('apply')
    .description(
      'Show what a policy would move, ask, and move it, at the policy’s rate. Exits with 1 when something is left, and goes on with that when it is run again.',
    )
    .addOption(policyOption())
    .addOption(asLinksOption())
    .option('--yes', 'do not ask')
    .addOption(graceOption())
    .addOption(moveWaitOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: [['hanse placement apply', '']] }))
    .action((options: ApplyOptions) =>
      run(async (context) =>
        (await import('../actions/placement-apply.ts')).applyPlacementAction(options, context),
      ),
    );
}
const planExamples = [
  ['hanse placement plan --policy policy.yaml', 'before it is stored'],
  ['hanse placement plan --without fra', 'what its loss would move'],
  ['hanse placement plan --with london=lon', 'before the subset is made'],
] as const;

function addBackups(placement: Command, run: ActionRunner): void {
  placement
    .command('backups')
    .description(
      "Show which backup masters a policy would give each subset, by its members' measurements, and the command that makes it so, which needs the VPN's root key.",
    )
    .argument('[subset]', 'this one, with every master and what keeps one from being a backup')
    .addOption(policyOption())
    .addOption(asLinksOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: backupsExamples }))
    .action((subset: string | undefined, options: ScoringOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/placement.ts')).planBackupsAction(subset, options, context),
      ),
    );
}

const backupsExamples = [
  ['hanse placement backups', ''],
  ['hanse placement backups europe', 'why'],
] as const;

function addMap(placement: Command, run: ActionRunner): void {
  placement
    .command('map')
    .description(
      'Draw masters and members at their places, as they are now, with the links in the colours of the measured latency: SVG.',
    )
    .addOption(policyOption())
    .option('--output <file>', 'write it there (default: standard output)')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addHelpText('after', help({ examples: [['hanse placement map --output corp.svg', '']] }))
    .action((options: MapOptions) =>
      run(async (context) =>
        (await import('../actions/placement.ts')).mapPlacementAction(options, context),
      ),
    );
}
