// Bundles the program into dist/, so that it starts quickly and needs no packages.
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureNpmPackages } from './lib/npm-packages.mjs';
import { root } from './lib/repository.mjs';

const sourceDirectory = join(root, 'src');
const distDirectory = join(root, 'dist');
/** What the build was made from. */
const stampPath = join(distDirectory, '.sources');

/** CommonJS packages call `require` for Node's own modules, which a module does not have. */
const banner = `import { createRequire as createRequireForBundle } from 'node:module';
const require = createRequireForBundle(import.meta.url);`;

/**
 * Builds unless `dist/` was made from these very sources and packages.
 * @param {(message: string) => void} log
 */
export async function buildIfStale(log) {
  const wanted = await hashSources();
  const present = await readFile(stampPath, 'utf8').catch(() => undefined);
  if (present === wanted) return;
  log('building dist/');
  await build(wanted);
}

/** The new `dist/` takes the place of the old one whole, so nobody ever starts half of it. */
async function build(hash) {
  const { build: bundle } = await import('esbuild');
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const [fresh, old] = ['new', 'old'].map((name) => `${distDirectory}.${name}-${process.pid}`);
  try {
    await bundle({
      absWorkingDir: root,
      entryPoints: { hanse: 'src/bin/hanse.ts' },
      outdir: fresh,
      outExtension: { '.js': '.mjs' },
      chunkNames: 'chunk-[hash]',
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      sourcemap: 'linked',
      banner: { js: banner },
      // Declared in src/runtime/software-version.ts.
      define: { bundledVersion: JSON.stringify(version) },
      logLevel: 'warning',
    });
    await writeFile(join(fresh, '.sources'), hash);
    await rename(distDirectory, old).catch(ignoreMissing);
    await rename(fresh, distDirectory);
  } finally {
    await Promise.all([fresh, old].map((path) => rm(path, { recursive: true, force: true })));
  }
}

async function hashSources() {
  const names = (await readdir(sourceDirectory, { recursive: true }))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .sort();
  const paths = [
    ...names.map((name) => join(sourceDirectory, name)),
    ...['package-lock.json', 'package.json', 'scripts/build.mjs'].map((name) => join(root, name)),
  ];
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  const hash = createHash('sha256');
  for (const [index, path] of paths.entries()) {
    hash.update(`${path}\0`).update(contents[index]).update('\0');
  }
  return hash.digest('hex');
}

function ignoreMissing(error) {
  if (error.code !== 'ENOENT') throw error;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const log = (message) => console.error(`build: ${message}`);
  await ensureNpmPackages(log);
  await buildIfStale(log);
}
