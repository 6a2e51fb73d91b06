import { readFileSync } from 'node:fs';

/** Put in place by the bundler; absent when the sources run as they are. */
declare const bundledVersion: string | undefined;

/** The version of this software, as in package.json. */
export const softwareVersion: string =
  typeof bundledVersion === 'string' ? bundledVersion : versionOfSources();

function versionOfSources(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
