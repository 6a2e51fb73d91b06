import { access, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ProvisionDependencies } from '../provision/create-vpn.ts';
import { type DataDirectory, dataDirectory } from '../provision/data-directory.ts';
import { ProvisionError } from '../provision/provision-error.ts';
import { privateDirectoryMode } from '../runtime/durable-file.ts';
import { openStore } from '../store/open-store.ts';
import type { RootKeyOptions, StoreOptions } from './common-options.ts';
import { absoluteStoreUrl } from './store-url.ts';

/** The store that the options name, with absolute paths, so that it can be written into files. */
export function storeUrlOf(options: StoreOptions): string {
  return absoluteStoreUrl(options.store ?? `sqlite:${directoryOf(options).storeFile}`);
}

export function directoryOf(options: StoreOptions): DataDirectory {
  return dataDirectory(resolve(options.dir));
}

export function rootKeyPathOf(options: RootKeyOptions): string {
  return options.rootKey ?? directoryOf(options).rootKey;
}

/** Whether the store is on this machine; a store that is elsewhere is there as far as anybody can say. */
export async function storeIsHere(options: StoreOptions): Promise<boolean> {
  const [, path] = /^sqlite:(.+)$/s.exec(storeUrlOf(options)) ?? [];
  if (path === undefined) return true;
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Runs a task of `provision` on the store that the options name.
 * @param store `new` makes the directory and the store when they are missing
 * @throws ProvisionError `no-vpn` when there is no store; StoreError; and what the task throws
 */
export async function withProvisioning<Result>(
  options: StoreOptions,
  expected: 'new' | 'existing',
  task: (dependencies: ProvisionDependencies) => Promise<Result>,
): Promise<Result> {
  const directory = directoryOf(options);
  const storeUrl = storeUrlOf(options);
  if (expected === 'new') {
    await mkdir(directory.path, { recursive: true, mode: privateDirectoryMode });
  } else if (!(await storeIsHere(options))) {
    throw new ProvisionError(
      `there is no store ${storeUrl}: make a VPN with \`hanse vpn create NAME\`, or name the right place with --dir or --store`,
      { code: 'no-vpn', fields: { store: storeUrl } },
    );
  }
  await using store = await openStore(storeUrl);
  return await task({ directory, store, storeUrl, nowMs: Date.now() });
}
