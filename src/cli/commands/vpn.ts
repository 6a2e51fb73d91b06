import { Argument, type Command, Option } from 'commander';
import type { VpnCreateOptions } from '../actions/vpn.ts';
import type { KeyingOptions } from '../actions/vpn-keying.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  jsonStepsOption,
  type ListingOptions,
  profileOption,
  storeOption,
} from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { help } from '../help.ts';
import { duration, wholeNumber } from '../option-values.ts';

export function addVpnCommands(program: Command, run: ActionRunner): void {
  const vpn = program
    .command('vpn')
    .description('Make a VPN, show it, or change who can read what.');
  addCreate(vpn, run);
  addKeying(vpn, run);
  vpn
    .command('show')
    .description(
      'Show the VPN: its prefixes, lifetimes, masters and subsets, and who can read what passes between members.',
    )
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse vpn show', '']] }))
    .action((options: DirectorySourceOptions & ListingOptions) =>
      run(async (context) => (await import('../actions/vpn.ts')).showVpn(options, context)),
    );
}

function addKeying(vpn: Command, run: ActionRunner): void {
  vpn
    .command('keying')
    .description(
      'Change the keying mode of a running VPN, without an outage: one key for all subsets and everything sealed from member to member, or a key for each subset and masters that translate. ' +
        'Exits with 1 when not every connected member has followed in time; nothing is lost then, and the same command goes on.',
    )
    .addArgument(new Argument('<mode>').choices(keyingModes))
    .addOption(
      new Option('--wait <time>', 'how long to wait for members before the last step')
        .argParser(duration)
        .default(duration('60s'), '60s'),
    )
    .option(
      '--now',
      'take the last step although members have not followed: those are cut off until they do',
    )
    .addOption(directoryOption())
    .addOption(profileOption())
    .addOption(jsonStepsOption())
    .addHelpText('after', help({ examples: keyingExamples }))
    .action((mode: string, options: KeyingOptions) =>
      run(async (context) =>
        (await import('../actions/vpn-keying.ts')).changeKeyingAction(mode, options, context),
      ),
    );
}

const keyingModes = ['per-subset', 'shared'] as const;

const keyingExamples = [
  ['hanse vpn keying shared', ''],
  ['hanse vpn keying per-subset --wait 5m', ''],
] as const;

function addCreate(vpn: Command, run: ActionRunner): void {
  vpn
    .command('create')
    .description(
      'Make a VPN: its root certificate, its sealing key, its records in the store and a first operator.',
    )
    .argument('<name>', 'letters, digits and hyphens; part of every certificate')
    .addOption(directoryOption())
    .addOption(storeOption())
    .option('--ipv4 <block>', 'IPv4 addresses of the VPN', '100.64.0.0/10')
    .option('--ipv6 <block>', 'a unique local /48 (RFC 4193), or auto for a random one', 'auto')
    .addOption(
      new Option('--ipv4-block-length <bits>', 'prefix length of the first block of each subset')
        .argParser(wholeNumber(8, 30))
        .default(21),
    )
    .addOption(
      new Option('--keying <mode>', 'one key for each subset, or one for all')
        .choices(keyingModes)
        .default('per-subset'),
    )
    .addOption(durationOption('--certificate-lifetime <time>', "of a member's certificate", '6h'))
    .addOption(durationOption('--key-rotation <time>', "how long a subset's key is used", '24h'))
    .addOption(
      durationOption('--absence <time>', 'how long a silent member is kept in the roll', '30d'),
    )
    .addOption(
      durationOption(
        '--settle <time>',
        'how long a master that came back is well before it takes its subsets back',
        '60s',
      ),
    )
    .option('--operator <name>', 'the first operator', 'admin')
    .option('--force', "even where the addresses overlap with this machine's own networks")
    .addHelpText('after', help({ examples: createExamples, files: true, environment: true }))
    .action((name: string, options: VpnCreateOptions) =>
      run(async (context) =>
        (await import('../actions/vpn.ts')).createVpnAction(name, options, context),
      ),
    );
}

function durationOption(flags: string, meaning: string, initial: string): Option {
  return new Option(flags, meaning).argParser(duration).default(duration(initial), initial);
}

const createExamples = [
  ['hanse vpn create corp', ''],
  ['hanse vpn create corp --ipv4 10.80.0.0/12 --ipv4-block-length 24', 'smaller blocks'],
  [
    'hanse vpn create corp && mv /var/lib/hanse/root/root.key /media/safe/',
    'with the root key offline; commands that need it then take --root-key',
  ],
] as const;
