import type { Command } from 'commander';
import type { ConfirmOptions } from '../actions/confirm.ts';
import type { JoinOptions, LeaveOptions, MemberRunOptions } from '../actions/member-daemon.ts';
import type { MemberListOptions } from '../actions/member-listings.ts';
import type { MoveOptions } from '../actions/move.ts';
import type { RemovalOptions } from '../actions/removal.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  acknowledgementWaitOption,
  type DirectoryOptions,
  daemonDirectoryOption,
  directoryOption,
  graceOption,
  jsonOption,
  jsonStepsOption,
  type ListingOptions,
  logLevelOption,
  metricsOption,
  moveWaitOption,
  type OperatorOptions,
  profileOption,
} from '../common-options.ts';
import { help } from '../help.ts';

export function addMemberCommands(program: Command, run: ActionRunner): void {
  const member = program
    .command('member')
    .description('Join and run on this machine; list, evict and ban as an operator.');
  addJoin(member, run);
  addRun(member, run);
  addDown(member, run);
  addList(member, run);
  addShow(member, run);
  addMove(member, run);
  addRemoval(member, run, 'evict');
  addRemoval(member, run, 'ban');
  addUnban(member, run);
  addConfirm(member, run);
}

/** `hanse leave`, which undoes `hanse member join`. */
export function addLeaveCommand(program: Command, run: ActionRunner): void {
  program
    .command('leave')
    .description('End a membership of this machine: tell the master, then forget the keys.')
    .argument('[membership]', 'VPN.SUBSET; needless when there is one only')
    .option('--force', 'forget it also when no master can be told')
    .addOption(directoryOption())
    .addHelpText('after', help({ examples: [['hanse leave corp.europe', '']] }))
    .action((membership: string | undefined, options: LeaveOptions) =>
      run(async (context) =>
        (await import('../actions/member-daemon.ts')).leaveAction(membership, options, context),
      ),
    );
}

function addJoin(member: Command, run: ActionRunner): void {
  member
    .command('join')
    .description('Make this machine a member with a token, then run. Needs root.')
    .argument('<token>', 'from `hanse invite create`; - reads it from standard input')
    .option('--name <name>', "what to be called (default: this machine's name)")
    .option('--no-run', 'join only; run later with `hanse member run`')
    .option('--config <file>', 'a file with dir, name, logLevel and metricsListen')
    .addOption(daemonDirectoryOption())
    .addOption(metricsOption())
    .addOption(logLevelOption())
    .addHelpText('after', help({ examples: joinExamples, files: true }))
    .action((token: string, options: JoinOptions) =>
      run(async (context) =>
        (await import('../actions/member-daemon.ts')).joinAction(token, options, context),
      ),
    );
}

function addRun(member: Command, run: ActionRunner): void {
  member
    .command('run')
    .description('Run all memberships of this machine until told to stop. Needs root.')
    .option('--config <file>', 'a file with dir, name, logLevel and metricsListen')
    .addOption(daemonDirectoryOption())
    .addOption(metricsOption())
    .addOption(logLevelOption())
    .addHelpText('after', help({ examples: [['hanse member run', '']], files: true }))
    .action((options: MemberRunOptions) =>
      run(async (context) =>
        (await import('../actions/member-daemon.ts')).runMemberAction(options, context),
      ),
    );
}

function addDown(member: Command, run: ActionRunner): void {
  member
    .command('down')
    .description('Take the tunnels of a stopped member down; it stays a member. Needs root.')
    .addOption(directoryOption())
    .addHelpText('after', help({ examples: [['hanse member down', '']] }))
    .action((options: DirectoryOptions) =>
      run(async (context) =>
        (await import('../actions/take-down.ts')).takeDownMemberAction(options, context),
      ),
    );
}

function addList(member: Command, run: ActionRunner): void {
  member
    .command('list')
    .description('List the members of one subset, or of all.')
    .option('--subset <name>', 'only this one')
    .option('--suspended', 'only those whom a restored backup has brought back')
    .option('--all', 'also those who have left and whose names are not free again yet')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse member list --subset europe', '']] }))
    .action((options: MemberListOptions) =>
      run(async (context) =>
        (await import('../actions/member-listings.ts')).listMembersAction(options, context),
      ),
    );
}

function addShow(member: Command, run: ActionRunner): void {
  member
    .command('show')
    .description('Show one member: its addresses, keys, session and tunnel.')
    .argument('<member>', 'NAME.SUBSET, or NAME where only one subset has it')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse member show web-1.europe', '']] }))
    .action((member_: string, options: OperatorOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/member-listings.ts')).showMemberAction(member_, options, context),
      ),
    );
}

function addMove(member: Command, run: ActionRunner): void {
  member
    .command('move')
    .description(
      'Move a member to another subset: it gets other addresses, and the old ones work on for a while. Exits with 1 when it has not moved in time.',
    )
    .argument('<member>', 'NAME.SUBSET, or NAME where only one subset has it')
    .requiredOption('--to <subset>', 'where to')
    .addOption(graceOption())
    .addOption(moveWaitOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: [['hanse member move web-1.europe --to asia', '']] }))
    .action((name: string, options: MoveOptions) =>
      run(async (context) =>
        (await import('../actions/move.ts')).moveAction(name, options, context),
      ),
    );
}

const removalTexts = {
  evict: {
    description:
      'Put a member out: its peer goes, the subset key changes, and who has applied it is shown.',
    example: 'hanse member evict web-1.europe',
  },
  ban: {
    description:
      'Put a member out of every subset that it is in, and refuse its identity from now on.',
    example: 'hanse member ban web-1.europe --wait 30s',
  },
} as const;

function addRemoval(member: Command, run: ActionRunner, kind: 'evict' | 'ban'): void {
  const { description, example } = removalTexts[kind];
  member
    .command(kind)
    .description(`${description} Exits with 1 when a connected member has not applied it in time.`)
    .argument('<member>', 'NAME.SUBSET, or NAME where only one subset has it')
    .addOption(acknowledgementWaitOption())
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: [[example, '']] }))
    .action((name: string, options: RemovalOptions) =>
      run(async (context) =>
        (await import('../actions/removal.ts')).removeAction(kind, name, options, context),
      ),
    );
}

function addUnban(member: Command, run: ActionRunner): void {
  member
    .command('unban')
    .description('Let a banned identity join this subset again, with a new invite.')
    .argument('<member>', 'NAME.SUBSET, the name that it was banned under')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addHelpText('after', help({ examples: [['hanse member unban web-1.europe', '']] }))
    .action((name: string, options: OperatorOptions) =>
      run(async (context) =>
        (await import('../actions/removal.ts')).unbanAction(name, options, context),
      ),
    );
}

function addConfirm(member: Command, run: ActionRunner): void {
  member
    .command('confirm')
    .description('Let members in again that a restored backup has brought back as suspended.')
    .argument('[members...]', 'NAME.SUBSET, or NAME where only one subset has it')
    .option('--all', 'everybody who is suspended')
    .option('--subset <name>', 'with --all: only in this subset')
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: confirmExamples }))
    .action((members: readonly string[], options: ConfirmOptions) =>
      run(async (context) =>
        (await import('../actions/confirm.ts')).confirmAction(members, options, context),
      ),
    );
}

const confirmExamples = [
  ['hanse member list --suspended', 'who it would be'],
  ['hanse member confirm web-1.europe web-2.europe', ''],
  ['hanse member confirm --all --subset europe', 'also whoever was evicted after the backup'],
] as const;

const joinExamples = [
  ['hanse member join hanse_eyJhbGciOi…', ''],
  ['ssh ops hanse invite create --subset europe | hanse member join - --name web-1', ''],
  ['hanse member join - --no-run < token && systemctl start hanse-member', ''],
] as const;
