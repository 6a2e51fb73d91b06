import { type Command, Option } from 'commander';
import type { DoctorOptions } from '../actions/doctor.ts';
import type { ActionRunner } from '../command-context.ts';
import { directoryOption, jsonOption } from '../common-options.ts';
import { help } from '../help.ts';

export function addDoctorCommand(program: Command, run: ActionRunner): void {
  program
    .command('doctor')
    .description('Tell what this machine has and lacks for its role, and what to do about it.')
    .addOption(
      new Option('--role <role>', 'what the machine is to be')
        .choices(['master', 'member'])
        .default('member'),
    )
    .addOption(directoryOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse doctor --role master', '']] }))
    .action((options: DoctorOptions) =>
      run(async (context) => (await import('../actions/doctor.ts')).doctorAction(options, context)),
    );
}
