import { parseRegionName } from '../../model/names.ts';
import type { RegionRecord } from '../../model/records/directory.ts';
import { createRegion } from '../../provision/create-region.ts';
import { readDirectoryRecords } from '../../provision/directory-records.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, StoreOptions } from '../common-options.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatFields, formatTable } from '../output/table.ts';
import { withProvisioning } from '../provisioning.ts';
import { absoluteStoreUrl } from '../store-url.ts';

export interface RegionCreateOptions extends ListingOptions {
  readonly dir: string;
  /** The region's, not the VPN's. */
  readonly store: string;
  /** The VPN's own. */
  readonly directoryStore?: string;
}

/** A region and the subsets whose rolls are in its store. */
interface ListedRegion extends Pick<RegionRecord, 'name' | 'store' | 'createdAtMs'> {
  readonly subsets: readonly string[];
}

export async function createRegionAction(
  name: string,
  options: RegionCreateOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const region = { name: parseRegionName(name), store: absoluteStoreUrl(options.store) };
  const { dir, directoryStore } = options;
  const directory = directoryStore === undefined ? { dir } : { dir, store: directoryStore };
  const record = await withProvisioning(directory, 'existing', (dependencies) =>
    createRegion(region, dependencies),
  );
  if (options.json) {
    writeJson(terminal.out, record);
    return;
  }
  terminal.out.write(
    formatFields([
      ['region', record.name],
      ['store', record.store],
    ]),
  );
  terminal.err.write(
    `Next: hanse subset create NAME --region ${record.name} --acting MASTER; each master of it has to reach that store\n`,
  );
}

export async function listRegionsAction(
  options: StoreOptions & ListingOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const regions = await withProvisioning(options, 'existing', async ({ store, storeUrl }) => {
    const records = await readDirectoryRecords(store, storeUrl);
    return records.regions.map(
      ({ name, store: url, createdAtMs }): ListedRegion => ({
        name,
        store: url,
        createdAtMs,
        subsets: records.subsets
          .filter(({ region }) => region === name)
          .map((subset) => subset.name),
      }),
    );
  });
  if (options.json) writeJson(terminal.out, { regions });
  else terminal.out.write(formatTable(regionColumns, regions));
}

const regionColumns: readonly Column<ListedRegion>[] = [
  { heading: 'REGION', cell: ({ name }) => name },
  { heading: 'STORE', cell: ({ store }) => store },
  { heading: 'SUBSETS', cell: ({ subsets }) => subsets.join(', ') || '-' },
];
