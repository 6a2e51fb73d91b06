import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isOperatorProfile } from '../api/client/operator-profile.ts';
import { CliError } from './cli-error.ts';
import type { OperatorOptions } from './common-options.ts';

/**
 * The directory of the profile to use: the one that is named, else the user's own, else the only
 * one, or `admin`, among those made on this machine.
 * @throws CliError `no-profile`, `several-profiles`
 */
export async function findProfileDirectory(options: OperatorOptions): Promise<string> {
  if (options.profile !== undefined) return options.profile;
  const own = join(homedir(), '.config', 'hanse');
  if (await isOperatorProfile(own)) return own;
  const operators = join(options.dir, 'operators');
  const names = await profilesIn(operators);
  const name = names.length === 1 ? names[0] : names.find((candidate) => candidate === 'admin');
  if (name !== undefined) return join(operators, name);
  if (names.length > 1) throw severalProfiles(operators, names);
  throw new CliError(
    `no operator's profile in ${own} or under ${operators}: give --profile, or make one with \`hanse operator create\``,
    { code: 'no-profile', fields: { looked: [own, operators] } },
  );
}

async function profilesIn(operators: string): Promise<readonly string[]> {
  const entries = await readdir(operators).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const are = await Promise.all(entries.map((name) => isOperatorProfile(join(operators, name))));
  return entries.filter((_, index) => are[index]).sort();
}

function severalProfiles(operators: string, names: readonly string[]): CliError {
  return new CliError(
    `there are several operators under ${operators} (${names.join(', ')}): choose one with --profile`,
    { code: 'several-profiles', fields: { names } },
  );
}
