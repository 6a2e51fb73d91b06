import { exitCodeHelp } from './exit-code.ts';

export interface HelpSections {
  /** A command line, and what it does where that is not plain. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** Whether to list the environment variables. */
  readonly environment?: boolean;
  /** Whether to list the files. */
  readonly files?: boolean;
}

const environment = [
  ['HANSE_DIR', 'the data directory, as --dir (default /var/lib/hanse)'],
  ['HANSE_PROFILE', "an operator's profile directory, as --profile"],
  ['HANSE_STORE', 'the store, as --store (default sqlite:DIR/store.db); sqlite:PATH or etcd://…'],
  ['HANSE_TRACE', 'when set, errors are shown with where they arose'],
  ['NO_COLOR', 'when set, no colours'],
] as const;

const files = [
  ['DIR/root/', "the VPN's root certificate and key; the key may be moved offline"],
  ['DIR/sealing.key', 'seals the secrets in the store; every master needs it'],
  ['DIR/store.db', 'the store, when it is SQLite'],
  ['DIR/operators/NAME/', "an operator's profile; copy it to where the operator works"],
  ['DIR/masters/NAME/', "a master's configuration, certificate and keys"],
  ['DIR/member/', "the member daemon's state"],
  ['~/.config/hanse/', "an operator's profile that is found without --profile"],
] as const;

/** What follows the options in a command's help. */
export function help(sections: HelpSections): string {
  const examples = sections.examples
    .map(([command, meaning]) => `  $ ${command}\n${meaning === '' ? '' : `      ${meaning}\n`}`)
    .join('');
  return [
    `\nExamples:\n${examples}`,
    sections.environment ? `\nEnvironment:\n${listing(environment)}` : '',
    sections.files ? `\nFiles:\n${listing(files)}` : '',
    `\nExit status: ${exitCodeHelp}`,
  ].join('');
}

function listing(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}\n`).join('');
}
