import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { operatorProfileFiles } from '../../api/client/operator-profile.ts';
import { masterNameSchema, operatorNameSchema } from '../../model/names.ts';
import { readIfPresent } from '../../runtime/durable-file.ts';
import type { DataDirectory } from '../data-directory.ts';

/** A file of a data directory, by its path in it, with `/` between the parts. */
export interface DataFile {
  readonly path: string;
  readonly text: string;
}

export const sealingKeyPath = 'sealing.key';
export const rootCertificatePath = 'root/root.pem';
export const rootKeyPath = 'root/root.key';

const singleFiles: readonly string[] = [sealingKeyPath, rootCertificatePath, rootKeyPath];
export const masterConfigName = 'master.yaml';
export const masterCertificateName = 'master.pem';
const masterFiles: readonly string[] = [
  masterConfigName,
  masterCertificateName,
  'master.key',
  'wireguard-members.key',
  'wireguard-backbone.key',
];

/** A path of a data directory, taken apart. */
export type DataPath =
  | { readonly kind: 'single' }
  | { readonly kind: 'master' | 'operator'; readonly name: string; readonly file: string };

/**
 * What is at a path of a data directory; undefined for every path that none of its files has, so
 * that nothing else is ever written, wherever it would be.
 */
export function parseDataPath(path: string): DataPath | undefined {
  if (singleFiles.includes(path)) return { kind: 'single' };
  const [folder, name, file = '', ...rest] = path.split('/');
  if (rest.length > 0) return undefined;
  if (folder === 'masters' && masterNameSchema.safeParse(name).success) {
    return masterFiles.includes(file) ? { kind: 'master', name: `${name}`, file } : undefined;
  }
  if (folder === 'operators' && operatorNameSchema.safeParse(name).success) {
    const isPart = operatorProfileFiles.includes(file);
    return isPart ? { kind: 'operator', name: `${name}`, file } : undefined;
  }
  return undefined;
}

/** The files of a VPN that are on this machine, without the member's own. */
export async function readDataFiles(
  directory: DataDirectory,
  { withRootKey }: { readonly withRootKey: boolean },
): Promise<readonly DataFile[]> {
  const paths = [
    ...singleFiles.filter((path) => withRootKey || path !== rootKeyPath),
    ...(await filesOf(directory, 'masters', masterFiles)),
    ...(await filesOf(directory, 'operators', operatorProfileFiles)),
  ];
  const files = await Promise.all(
    paths.map(async (path) => ({ path, text: await readIfPresent(join(directory.path, path)) })),
  );
  return files.flatMap(({ path, text }) => (text === undefined ? [] : [{ path, text }]));
}

async function filesOf(
  directory: DataDirectory,
  folder: 'masters' | 'operators',
  names: readonly string[],
): Promise<readonly string[]> {
  const found = await readdir(directory[folder]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return found
    .sort()
    .flatMap((name) => names.map((file) => `${folder}/${name}/${file}`))
    .filter((path) => parseDataPath(path) !== undefined);
}
