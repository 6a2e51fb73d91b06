import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './repository.mjs';
import { requireCommand } from './run-command.mjs';

/**
 * Which lock the installed packages came from. npm empties the folder before it installs, so the
 * stamp is there only after an installation that came to its end.
 */
const stampPath = join(root, 'node_modules', '.hanse-lock');

/** Installs the packages of the lock unless they are there. */
export async function ensureNpmPackages(log) {
  const lock = await readFile(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const present = await readFile(stampPath, 'utf8').catch(() => undefined);
  if (present === wanted) return;
  log('installing npm packages');
  // What matters is prebuilt, so no package needs to run anything of its own.
  const flags = [
    // Else nobody would learn why it failed.
    '--loglevel=warn',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
  ];
  await requireCommand('npm', ['ci', ...flags]);
  await writeFile(stampPath, wanted);
}
