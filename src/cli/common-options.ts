import { InvalidArgumentError, Option } from 'commander';
import { longestGraceMs } from '../model/grace-period.ts';
import type { LogLevel } from '../runtime/log.ts';
import { duration } from './option-values.ts';

/** As `runtime/log.ts` has them; that module is not loaded for a command's help. */
const logLevels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'silent'];

/** Where everything of this machine is, unless said. */
export const defaultDirectory = '/var/lib/hanse';

/** The options that many commands share, as commander passes them. */
export interface DirectoryOptions {
  readonly dir: string;
}
export interface StoreOptions extends DirectoryOptions {
  readonly store?: string;
}
export interface RootKeyOptions extends StoreOptions {
  readonly rootKey?: string;
}
export interface RegionStoreOptions extends RootKeyOptions {
  readonly regionStore?: string;
}
export interface OperatorOptions extends DirectoryOptions {
  readonly profile?: string;
}
export interface ListingOptions {
  readonly json?: boolean;
}

export const directoryOption = (): Option =>
  new Option('--dir <directory>', 'data directory').env('HANSE_DIR').default(defaultDirectory);

/** For a daemon, whose file may say it: without a default, so that what is given can win over the file. */
export const daemonDirectoryOption = (): Option =>
  new Option(
    '--dir <directory>',
    `data directory (default: the file's, else ${defaultDirectory})`,
  ).env('HANSE_DIR');

export const storeOption = (): Option =>
  new Option(
    '--store <url>',
    'the store: sqlite:PATH, or etcd://HOST,HOST,HOST/PREFIX (default: sqlite:DIR/store.db)',
  ).env('HANSE_STORE');

/** For what works on the roll of a subset that is kept in a region. */
export const regionStoreOption = (): Option =>
  new Option(
    '--region-store <url>',
    "the subset's region, where this machine reaches it another way: sqlite:PATH or etcd://…",
  );

export const rootKeyOption = (): Option =>
  new Option('--root-key <file>', "the VPN's root key (default: DIR/root/root.key)");

export const profileOption = (): Option =>
  new Option(
    '--profile <directory>',
    "operator's profile (default: ~/.config/hanse, then the one under DIR/operators)",
  ).env('HANSE_PROFILE');

export const jsonOption = (): Option => new Option('--json', 'print one JSON document');

export const jsonStepsOption = (): Option =>
  new Option('--json', 'print every step as one line of JSON');

/** For what makes a new key, which members acknowledge. */
export const acknowledgementWaitOption = (): Option =>
  new Option('--wait <time>', 'how long to wait for acknowledgements; at most 10m')
    .argParser(duration)
    .default(duration('10s'), '10s');

/** For what moves members. */
export const graceOption = (): Option =>
  new Option('--grace <time>', 'how long the old addresses work on; at most 24h')
    .argParser(graceTime)
    .default(graceTime('15m'), '15m');

function graceTime(text: string): number {
  const graceMs = duration(text);
  if (graceMs <= longestGraceMs) return graceMs;
  throw new InvalidArgumentError('At most 24h.');
}

export const moveWaitOption = (): Option =>
  new Option('--wait <time>', 'how long to wait for a member; its order holds for a day')
    .argParser(duration)
    .default(duration('60s'), '60s');

export const asLinksOption = (): Option =>
  new Option(
    '--as-links <file>',
    'links between autonomous systems, as CAIDA publishes them (serial-1): the lengths of paths are by them',
  );

export const policyOption = (): Option =>
  new Option('--policy <file>', 'a placement policy, in YAML (default: the one that is stored)');

export const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'how much to log').choices(logLevels);

export const metricsOption = (): Option =>
  new Option('--metrics-listen <address:port>', 'serve Prometheus metrics there');
