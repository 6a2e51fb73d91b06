import { parseMasterName, parseRegionName, parseSubsetName } from '../../model/names.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import { changeBackups } from '../../provision/change-backups.ts';
import { createSubset } from '../../provision/create-subset.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, RegionStoreOptions } from '../common-options.ts';
import type { DirectorySourceOptions } from '../directory-source.ts';
import { writeJson } from '../output/json.ts';
import { formatFields } from '../output/table.ts';
import { rootKeyPathOf, withProvisioning } from '../provisioning.ts';
import { absoluteStoreUrl } from '../store-url.ts';
import { showBackups } from './directory-listings.ts';

export interface SubsetCreateOptions extends RegionStoreOptions {
  readonly acting: string;
  readonly backup: readonly string[];
  readonly region?: string;
}

export interface BackupsActionOptions
  extends RegionStoreOptions,
    DirectorySourceOptions,
    ListingOptions {
  /** Names with commas between them; only shown when it is left out. */
  readonly set?: string;
}

export async function createSubsetAction(
  name: string,
  options: SubsetCreateOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const { region } = options;
  const subset = {
    name: parseSubsetName(name),
    acting: parseMasterName(options.acting),
    backups: options.backup.map(parseMasterName),
    region: region === undefined ? undefined : parseRegionName(region),
    regionStoreUrl: regionStoreUrlOf(options),
    rootKeyPath: rootKeyPathOf(options),
  };
  const record = await withProvisioning(options, 'existing', (dependencies) =>
    createSubset(subset, dependencies),
  );
  terminal.out.write(formatFields(subsetFields(record)));
  terminal.err.write(`Next: hanse invite create --subset ${record.name}\n`);
}

/** Shows the backups, or changes them. */
export async function backupsAction(
  name: string,
  options: BackupsActionOptions,
  context: CommandContext,
): Promise<undefined> {
  if (options.set === undefined) return showBackups(name, options, context);
  const request = {
    subset: parseSubsetName(name),
    backups: parseNames(options.set),
    rootKeyPath: rootKeyPathOf(options),
    regionStoreUrl: regionStoreUrlOf(options),
  };
  const record = await withProvisioning(options, 'existing', (dependencies) =>
    changeBackups(request, dependencies),
  );
  const { terminal } = context;
  const { name: subset, acting: home, backups } = record;
  if (options.json) writeJson(terminal.out, { subset, home, backups });
  else terminal.out.write(formatFields(subsetFields(record)));
}

function parseNames(list: string): ReturnType<typeof parseMasterName>[] {
  return list.trim() === '' ? [] : list.split(',').map((text) => parseMasterName(text.trim()));
}

function regionStoreUrlOf({ regionStore }: RegionStoreOptions): string | undefined {
  return regionStore === undefined ? undefined : absoluteStoreUrl(regionStore);
}

function subsetFields(record: SubsetRecord): readonly (readonly [string, string | undefined])[] {
  return [
    ['subset', record.name],
    ['acting', record.acting],
    ['backups', record.backups.join(', ') || 'none'],
    ['region', record.region],
    ['blocks', [...record.ipv4Blocks, record.ipv6Block].join(', ')],
  ];
}
