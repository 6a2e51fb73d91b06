import { type Command, Option } from 'commander';
import type { MasterCreateOptions, MasterRunOptions } from '../actions/master.ts';
import type { ActionRunner } from '../command-context.ts';
import {
  daemonDirectoryOption,
  directoryOption,
  jsonOption,
  type ListingOptions,
  logLevelOption,
  metricsOption,
  profileOption,
  type RootKeyOptions,
  rootKeyOption,
  storeOption,
} from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { help } from '../help.ts';
import { wholeNumber } from '../option-values.ts';
import { addDrainCommands } from './failover.ts';

export function addMasterCommands(program: Command, run: ActionRunner): void {
  const master = program.command('master').description('Make, list, run and empty masters.');
  addCreate(master, run);
  addRenew(master, run);
  master
    .command('list')
    .description(
      'List the masters of the VPN: whether they are alive, and whom they act for and back up. Works from the store alone too.',
    )
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(profileOption())
    .addOption(jsonOption())
    .addHelpText('after', help({ examples: [['hanse master list', '']] }))
    .action((options: DirectorySourceOptions & ListingOptions) =>
      run(async (context) =>
        (await import('../actions/master-list.ts')).listMasters(options, context),
      ),
    );
  addRun(master, run);
  addDown(master, run);
  addDrainCommands(master, run);
}

function addCreate(master: Command, run: ActionRunner): void {
  master
    .command('create')
    .description(
      "Make a master: its keys, its certificate, its configuration and its record. Needs the VPN's root key.",
    )
    .argument('<name>', 'letters, digits and hyphens; never given to another master')
    .requiredOption('--control <host:port>', 'where members and operators reach it (TCP)')
    .requiredOption('--wireguard-host <host>', 'where its WireGuard is reached (UDP)')
    .addOption(portOption('--members-port <port>', 'WireGuard port for members', 51_820))
    .addOption(
      portOption(
        '--backbone-base-port <port>',
        "WireGuard ports for other masters begin after it, one for each other master's index",
        51_900,
      ),
    )
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: createExamples, files: true }))
    .action((name: string, options: MasterCreateOptions) =>
      run(async (context) =>
        (await import('../actions/master.ts')).createMasterAction(name, options, context),
      ),
    );
}

function addRenew(master: Command, run: ActionRunner): void {
  master
    .command('renew')
    .description(
      "Give a master a new certificate, for a year, and new authorities for its subsets, with the keys that it has. Needs the VPN's root key.",
    )
    .argument('<name>', 'a master that was made in this data directory')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(rootKeyOption())
    .addHelpText('after', help({ examples: renewExamples, files: true }))
    .action((name: string, options: RootKeyOptions) =>
      run(async (context) =>
        (await import('../actions/master.ts')).renewMasterAction(name, options, context),
      ),
    );
}

function addRun(master: Command, run: ActionRunner): void {
  master
    .command('run')
    .description('Run a master until it is told to stop (SIGINT, SIGTERM). Needs root.')
    .option('--config <file>', 'its configuration (default: DIR/masters/NAME/master.yaml)')
    .option('--name <name>', 'which master; needless when this machine has one only')
    .addOption(daemonDirectoryOption())
    .option('--listen <address:port>', 'serve the API and control sessions there')
    .addOption(storeOption())
    .addOption(metricsOption())
    .addOption(logLevelOption())
    .addHelpText('after', help({ examples: runExamples, files: true, environment: true }))
    .action((options: MasterRunOptions) =>
      run(async (context) =>
        (await import('../actions/master.ts')).runMasterAction(options, context),
      ),
    );
}

function addDown(master: Command, run: ActionRunner): void {
  master
    .command('down')
    .description('Take the tunnels of a stopped master down. Stopping leaves them up. Needs root.')
    .option('--config <file>', 'its configuration (default: DIR/masters/NAME/master.yaml)')
    .option('--name <name>', 'which master; needless when this machine has one only')
    .addOption(daemonDirectoryOption())
    .addHelpText('after', help({ examples: [['hanse master down --name fra', '']] }))
    .action((options: MasterRunOptions) =>
      run(async (context) =>
        (await import('../actions/take-down.ts')).takeDownMasterAction(options, context),
      ),
    );
}

function portOption(flags: string, meaning: string, initial: number): Option {
  return new Option(flags, meaning).argParser(wholeNumber(1, 65_535)).default(initial);
}

const createExamples = [
  [
    'hanse master create fra --control fra.example.com:8443 --wireguard-host fra.example.com',
    'open TCP 8443 and UDP 51820 and, for the other masters, UDP 51901 and up',
  ],
  [
    'hanse master create sin --control 192.0.2.7:8443 --wireguard-host 192.0.2.7 --root-key /media/safe/root.key',
    'with the root key kept elsewhere',
  ],
] as const;

const renewExamples = [
  ['hanse master renew fra && systemctl restart hanse-master@fra', ''],
  ['hanse master renew fra --root-key /media/safe/root.key', 'with the root key kept elsewhere'],
] as const;

const runExamples = [
  ['hanse master run', 'the only master that was made here'],
  ['hanse master run --name fra --log-level debug', ''],
  ['hanse master run --config /etc/hanse/master.yaml', 'options win over the file'],
  ['hanse master run --store etcd://10.0.0.1,10.0.0.2,10.0.0.3/corp', ''],
] as const;
