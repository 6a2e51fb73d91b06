import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './repository.mjs';

/** Where tests are. */
const folders = ['src', 'scripts', 'test', 'lab', 'bench', 'demo'];
/** Tests that build networks of their own: they wait for most of their time. */
const inNetworks = /^(lab|bench|demo|test\/integration)\//;
/** Those of them with a cluster of etcd and many masters, or many members: two at once starve each other. */
const large =
  /^test\/integration\/(distant|drain|etcd|failover|landing|lying|moving|return|rolling)-?/;
/** Those of them that others would disturb: they measure, or keep the whole machine busy. */
const alone =
  /^(lab\/(delay|link|nat|packet)|demo\/|test\/integration\/(crash|direct-nats|etcd-faults|failover-deaths|measuring)\.)/;

/**
 * One test file, relative to the repository. Files of one kind run at once, except large networks and
 * those that run alone.
 * @typedef {'plain' | 'networks' | 'large networks' | 'alone'} TestKind
 * @typedef {{ path: string, kind: TestKind, timeoutMs: number }} TestFile
 */

/** Far above what any file needs: it is for those that hang. */
const plainTimeoutMs = 180_000;
const networkTimeoutMs = 900_000;

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
      const kind = kindOf(path);
      return { path, kind, timeoutMs: kind === 'plain' ? plainTimeoutMs : networkTimeoutMs };
    });
}

function kindOf(path) {
  if (alone.test(path)) return 'alone';
  if (large.test(path)) return 'large networks';
  return inNetworks.test(path) ? 'networks' : 'plain';
}

export function matches(text, patterns) {
  return patterns.length === 0 || patterns.some((pattern) => text.includes(pattern));
}

async function testsUnder(folder) {
  const names = await readdir(join(root, folder), { recursive: true }).catch(() => []);
  return names.filter((name) => /\.test\.(ts|mjs)$/.test(name)).map((name) => join(folder, name));
}
