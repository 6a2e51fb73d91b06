import { InvalidInputError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import type { DirectoryRecords } from './directory-records.ts';
import { ProvisionError } from './provision-error.ts';

/** As the record's schema has it: each one holds a tunnel to every member. */
const mostBackups = 8;

/**
 * Refuses masters that cannot serve one subset together.
 * @throws InvalidInputError when one is named twice, or they are too many; ProvisionError `unknown-master`
 */
export function requireServing(
  home: MasterName,
  backups: readonly MasterName[],
  { masters }: DirectoryRecords,
): void {
  if (backups.includes(home)) {
    throw new InvalidInputError(
      `${home} is the subset's own master and cannot be its backup: name others`,
    );
  }
  const twice = backups.find((master, index) => backups.indexOf(master) !== index);
  if (twice !== undefined) throw new InvalidInputError(`backup ${twice} is named twice`);
  if (backups.length > mostBackups) {
    throw new InvalidInputError(
      `${backups.length} backups are too many: a subset has at most ${mostBackups}`,
    );
  }
  const known = masters.map((master) => master.name);
  const unknown = [home, ...backups].find((master) => !known.includes(master));
  if (unknown === undefined) return;
  throw new ProvisionError(
    `there is no master ${unknown}; the VPN has: ${known.join(', ') || 'none yet'}. Make one with \`hanse master create\``,
    { code: 'unknown-master', fields: { name: unknown } },
  );
}
