// Brings a machine from Debian with Node 20 to one where everything of this repository runs.
import { pathToFileURL } from 'node:url';
import { buildIfStale } from './build.mjs';
import { ensureDebianPackages } from './lib/debian-packages.mjs';
import { ensureNpmPackages } from './lib/npm-packages.mjs';

/** To standard error, as standard output belongs to whoever needed the setup. */
export const logProgress = (message) => console.error(`setup: ${message}`);

/**
 * Installs and builds what is missing, and says so; when nothing is, it takes a moment only. After it
 * was cut off, the next one starts where it must.
 *
 * @param {{ need?: { lab?: boolean, build?: boolean }, log?: (message: string) => void }} [options]
 *   `lab`: the programs that network namespaces need; `build`: an up-to-date `dist/`
 * @throws {Error} saying what to do, where this cannot do it by itself
 */
export async function setup({ need = {}, log = logProgress } = {}) {
  await ensureNpmPackages(log);
  if (need.lab) await ensureDebianPackages(log);
  if (need.build) await buildIfStale(log);
}

/**
 * Runs the setup and then something, for scripts that are started by hand.
 * @param {Parameters<typeof setup>[0]} options
 * @param {() => void | Promise<void>} then
 */
export async function setUpAndThen(options, then) {
  try {
    await setup(options);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
    return;
  }
  await then();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await setUpAndThen({ need: { lab: true, build: true } }, () => {});
}
