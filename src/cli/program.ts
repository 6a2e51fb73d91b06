import { Command } from 'commander';
import { softwareVersion } from '../runtime/software-version.ts';
import type { ActionRunner } from './command-context.ts';
import { addBackupCommand, addRestoreCommand } from './commands/backup.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addFailoverCommands } from './commands/failover.ts';
import { addInviteCommands } from './commands/invite.ts';
import { addKeyCommands } from './commands/key.ts';
import { addMasterCommands } from './commands/master.ts';
import { addMeasureCommand } from './commands/measure.ts';
import { addLeaveCommand, addMemberCommands } from './commands/member.ts';
import { addAuditCommand, addStatusCommand, addWatchCommand } from './commands/observe.ts';
import { addOperatorCommands } from './commands/operator.ts';
import { addPathCommand } from './commands/path.ts';
import { addPlacementCommands } from './commands/placement.ts';
import { addRegionCommands } from './commands/region.ts';
import { addStoreCommands } from './commands/store.ts';
import { addSubsetCommands } from './commands/subset.ts';
import { addVpnCommands } from './commands/vpn.ts';
import { help } from './help.ts';
import type { Terminal } from './terminal.ts';

/** The whole command line. It throws CommanderError instead of ending the process. */
export function createProgram(terminal: Terminal, run: ActionRunner): Command {
  const program = new Command('hanse')
    .description('Manages virtual private networks whose members are governed by many masters.')
    .version(softwareVersion, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'hanse: ')),
    })
    .addHelpText('after', help({ examples: firstSteps, environment: true, files: true }));
  addVpnCommands(program, run);
  addMasterCommands(program, run);
  addSubsetCommands(program, run);
  addRegionCommands(program, run);
  addOperatorCommands(program, run);
  addStoreCommands(program, run);
  addBackupCommand(program, run);
  addRestoreCommand(program, run);
  addInviteCommands(program, run);
  addMemberCommands(program, run);
  addKeyCommands(program, run);
  addPathCommand(program, run);
  addMeasureCommand(program, run);
  addPlacementCommands(program, run);
  addStatusCommand(program, run);
  addWatchCommand(program, run);
  addFailoverCommands(program, run);
  addAuditCommand(program, run);
  addLeaveCommand(program, run);
  addDoctorCommand(program, run);
  return program;
}

const firstSteps = [
  ['hanse vpn create corp', 'a VPN, its root certificate and an operator, in /var/lib/hanse'],
  ['hanse master create fra --control fra.example.com:8443 --wireguard-host fra.example.com', ''],
  ['hanse subset create europe --acting fra', 'a subset that fra governs'],
  ['hanse master run', 'the daemon'],
  ['hanse invite create --subset europe | ssh box hanse member join -', 'a member'],
] as const;
