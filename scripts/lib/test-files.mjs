import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './repository.mjs';

/** Where tests are. */
const folders = ['src', 'scripts', 'test', 'lab', 'bench', 'demo'];
/** Tests that build networks or measure, which others of their kind would disturb. */
const alone = /^(lab|bench|demo|test\/integration)\//;

/**
 * One test file, relative to the repository.
 * @typedef {{ path: string, alone: boolean, timeoutMs: number }} TestFile
 */

/** Far above what any file needs: it is for those that hang. */
const timeoutMs = 180_000;
const aloneTimeoutMs = 900_000;

/**
 * The test files whose paths contain any of the patterns, all if there are none.
 * @param {readonly string[]} patterns
 * @returns {Promise<TestFile[]>}
 */
export async function findTestFiles(patterns) {
  const paths = (await Promise.all(folders.map(testsUnder))).flat().sort();
  return paths
    .filter((path) => matches(path, patterns))
    .map((path) => {
      const isAlone = alone.test(path);
      return { path, alone: isAlone, timeoutMs: isAlone ? aloneTimeoutMs : timeoutMs };
    });
}

export function matches(text, patterns) {
  return patterns.length === 0 || patterns.some((pattern) => text.includes(pattern));
}

async function testsUnder(folder) {
  const names = await readdir(join(root, folder), { recursive: true }).catch(() => []);
  return names.filter((name) => /\.test\.(ts|mjs)$/.test(name)).map((name) => join(folder, name));
}
