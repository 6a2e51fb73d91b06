import { type Command, Option } from 'commander';
import type { VpnCreateOptions } from '../actions/vpn.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  directoryOption,
  jsonOption,
  type ListingOptions,
  profileOption,
  storeOption,
} from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { help } from '../help.ts';
import { duration, wholeNumber } from '../option-values.ts';

export function addVpnCommands(program: Command, run: ActionRunner): void {
  const vpn = program.command('vpn').description('Make a VPN, or show it.');
  addCreate(vpn, run);
  vpn
    .command('show')
    .description('Show the VPN: its prefixes, lifetimes, masters and subsets.')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse vpn show', '']] }))
    .action((options: DirectorySourceOptions & ListingOptions) =>
      run(async (context) => (await import('../actions/vpn.ts')).showVpn(options, context)),
    );
}

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
        .choices(['per-subset', 'shared'])
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
