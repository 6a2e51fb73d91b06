import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { createSubset } from '../../provision/create-subset.ts';
import type { CommandContext } from '../command-context.ts';
import type { RootKeyOptions } from '../common-options.ts';
import { formatFields } from '../output/table.ts';
import { rootKeyPathOf, withProvisioning } from '../provisioning.ts';

export interface SubsetCreateOptions extends RootKeyOptions {
  readonly acting: string;
  readonly backup: readonly string[];
}

export async function createSubsetAction(
  name: string,
  options: SubsetCreateOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const subset = {
    name: parseSubsetName(name),
    acting: parseMasterName(options.acting),
    backups: options.backup.map(parseMasterName),
    rootKeyPath: rootKeyPathOf(options),
  };
  const record = await withProvisioning(options, 'existing', (dependencies) =>
    createSubset(subset, dependencies),
  );
  terminal.out.write(
    formatFields([
      ['subset', record.name],
      ['acting', record.acting],
      ['backups', record.backups.join(', ') || 'none'],
      ['blocks', [...record.ipv4Blocks, record.ipv6Block].join(', ')],
    ]),
  );
  terminal.err.write(`Next: hanse invite create --subset ${record.name}\n`);
}
