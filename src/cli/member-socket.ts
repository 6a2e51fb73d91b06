import { resolve } from 'node:path';
import { localSocketPath } from '../member/member-directory.ts';
import { dataDirectory } from '../provision/data-directory.ts';
import type { DirectoryOptions } from './common-options.ts';

/** The member daemon's own part of the data directory. */
export function memberDirectoryOf(options: DirectoryOptions): string {
  return dataDirectory(resolve(options.dir)).member;
}

/** Where the member daemon of the data directory listens when it runs. */
export function memberSocketOf(options: DirectoryOptions): string {
  return localSocketPath(memberDirectoryOf(options));
}
