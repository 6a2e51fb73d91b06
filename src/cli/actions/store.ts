import { InvalidInputError } from '../../model/error.ts';
import { type ConfigMove, moveMasterConfigs } from '../../provision/master-config-edit.ts';
import { type CopyResult, copyStore } from '../../provision/move/copy-store.ts';
import { ProvisionError } from '../../provision/provision-error.ts';
import { openStore } from '../../store/open-store.ts';
import type { CommandContext } from '../command-context.ts';
import type { DirectoryOptions, ListingOptions } from '../common-options.ts';
import { formatBytes } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { ProgressLine } from '../output/progress-line.ts';
import { formatFields } from '../output/table.ts';
import { directoryOf, storeIsHere, storeUrlOf } from '../provisioning.ts';

export interface StoreCopyOptions extends DirectoryOptions, ListingOptions {
  readonly from: string;
  readonly to: string;
  readonly updateConfigs?: boolean;
}

export async function copyStoreAction(
  options: StoreCopyOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { dir } = options;
  const urls = {
    from: storeUrlOf({ dir, store: options.from }),
    to: storeUrlOf({ dir, store: options.to }),
  };
  await requireTwo(options, urls);
  await using from = await openStore(urls.from);
  await using to = await openStore(urls.to);
  const progress = new ProgressLine(terminal.err);
  let configs: readonly ConfigMove[] = [];
  const result = await copyStore(
    { from: { store: from, storeUrl: urls.from }, to: { store: to, storeUrl: urls.to } },
    {
      signal,
      onProgress: ({ phase, done, total }) =>
        progress.show(phase === 'counting' ? `counting ${done}` : `${phase} ${done} of ${total}`),
      beforeEnd: async () => {
        if (options.updateConfigs) configs = await moveMasterConfigs(directoryOf({ dir }), urls);
      },
    },
  ).finally(() => progress.end());
  if (options.json) writeJson(terminal.out, { ...urls, ...result, configs });
  else {
    terminal.out.write(describeCopy(result, urls));
    terminal.err.write(nextStep(options, urls.to, configs));
  }
  return undefined;
}

async function requireTwo(
  { dir, from }: StoreCopyOptions,
  urls: { readonly from: string; readonly to: string },
): Promise<void> {
  if (urls.from === urls.to) {
    throw new InvalidInputError(`--from and --to are both ${urls.to}: name two stores`);
  }
  if (await storeIsHere({ dir, store: from })) return;
  throw new ProvisionError(`there is no store ${urls.from}: name the right one with --from`, {
    code: 'no-vpn',
    fields: { store: urls.from },
  });
}

function describeCopy(
  { entries, bytes, sha256, skipped, isResumed, wasThere }: CopyResult,
  urls: { readonly from: string; readonly to: string },
): string {
  const how = wasThere
    ? 'nothing: it was there already'
    : `${entries} entries, ${formatBytes(bytes)}${isResumed ? ', going on from an interrupted copy' : ''}`;
  return formatFields([
    ['from', urls.from],
    ['to', urls.to],
    ['copied', how],
    ['not copied', skipped.length === 0 ? undefined : `${skipped.join(', ')} (of leases)`],
    ['compared', `${entries} entries are the same in both`],
    ['sha256', sha256],
  ]);
}

function nextStep(
  { updateConfigs, from }: StoreCopyOptions,
  to: string,
  configs: readonly ConfigMove[],
): string {
  const told = configs.map(({ path, isMoved }) =>
    isMoved ? `${path} names the new store\n` : `${path} names another store and was left alone\n`,
  );
  const where = updateConfigs ? 'every master.yaml on other machines' : 'every master.yaml';
  return `${told.join('')}Put store: "${to}" into ${where}, then start the masters. Keep ${from} until they serve.\n`;
}
