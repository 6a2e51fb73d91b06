import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatAptSource, readAptSources } from './apt-sources.mjs';

const exec = promisify(execFile);

/** What Hanse needs of packages that a stable release may have in an older version. */
const minimumVersions = new Map([
  // The first version with UDP and TCP segmentation offload: five times the throughput.
  ['wireguard-go', '0.0.20231211'],
]);

/** Other installations on the machine hold dpkg's lock for a while. */
const lockOptions = ['-o', 'DPkg::Lock::Timeout=300'];

/**
 * Installs packages in a version that Hanse can use: nothing when it is there already, the
 * release's own package when that is new enough, and otherwise the release's backport.
 *
 * A backport is fetched from the mirror that the machine's own sources name, with the key that
 * they name, by a private configuration in a temporary directory; so neither the machine's sources
 * nor its package lists change. Needs root.
 *
 * @param {readonly string[]} packages
 * @param {{ log: (message: string) => void }} dependencies
 * @throws {Error} saying which command failed, or that the machine names no archive of its release
 */
export async function installFromBackports(packages, { log }) {
  const ordinary = [];
  const backported = [];
  for (const name of packages) {
    const { installed, candidate } = await policyOf(name);
    if (isEnough(name, installed)) {
      log(`${name} ${installed} is installed`);
    } else if (isEnough(name, candidate)) {
      ordinary.push(name);
    } else {
      backported.push(name);
    }
  }
  if (ordinary.length > 0) await installOrdinary(ordinary, log);
  if (backported.length > 0) await installBackported(backported, log);
}

async function installOrdinary(names, log) {
  log(`installing ${names.join(', ')} from the release`);
  await apt('apt-get', [...lockOptions, 'install', '-y', '--no-install-recommends', ...names]);
}

async function installBackported(names, log) {
  const { suite, entry } = await backportsEntry();
  log(`installing ${names.join(', ')} from ${suite}`);
  const directory = await mkdtemp(join(tmpdir(), 'hanse-backports-'));
  try {
    const files = await download({ names, suite, entry, directory });
    await apt('apt-get', [...lockOptions, 'install', '-y', '--no-install-recommends', ...files]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Leaves the packages' files in the directory and returns their absolute paths. */
async function download({ names, suite, entry, directory }) {
  // apt drops to its own user for downloads, who must be able to pass.
  await chmod(directory, 0o755);
  for (const name of ['sources', 'lists', 'cache', 'packages']) await mkdir(join(directory, name));
  await writeFile(join(directory, 'sources', 'backports.sources'), entry);
  const options = [
    'Dir::Etc::SourceList=/dev/null',
    `Dir::Etc::SourceParts=${join(directory, 'sources')}`,
    `Dir::State::Lists=${join(directory, 'lists')}`,
    `Dir::Cache=${join(directory, 'cache')}`,
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  const packages = join(directory, 'packages');
  await apt('apt-get', [...options, '--error-on=any', 'update']);
  const targets = names.map((name) => `${name}/${suite}`);
  await apt('apt-get', [...options, 'download', ...targets], packages);
  return (await readdir(packages)).map((file) => join(packages, file));
}

async function backportsEntry() {
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1];
  const sources = await readAptSources();
  const source = sources.find(({ suites }) => codename !== undefined && suites.includes(codename));
  if (source === undefined) {
    throw new Error(
      `no apt source names this release (${codename ?? 'unknown'}), so its backports cannot be ` +
        'found: add the archive of the distribution to /etc/apt/sources.list.d',
    );
  }
  const suite = `${codename}-backports`;
  return { suite, entry: formatAptSource(source, suite) };
}

async function policyOf(name) {
  const text = await apt('apt-cache', ['policy', name]);
  const version = (field) => {
    const value = new RegExp(`^ *${field}: (\\S+)$`, 'm').exec(text)?.[1];
    return value === '(none)' ? undefined : value;
  };
  return { installed: version('Installed'), candidate: version('Candidate') };
}

function isEnough(name, version) {
  if (version === undefined) return false;
  const upstream = version.replace(/^\d+:/, '');
  return compareVersions(upstream, minimumVersions.get(name) ?? '0') >= 0;
}

/** Upstream versions as dotted numbers, which is all that `minimumVersions` needs. */
function compareVersions(one, other) {
  const numbers = (text) => (/^[\d.]+/.exec(text)?.[0] ?? '').split('.').map(Number);
  const [left, right] = [numbers(one), numbers(other)];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function apt(command, args, cwd = '/') {
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  try {
    return (await exec(command, args, { cwd, env, maxBuffer: 16 * 1024 * 1024 })).stdout;
  } catch (cause) {
    const line = [command, ...args].join(' ');
    throw new Error(`${line} failed: ${(cause.stderr ?? String(cause)).trim()}`, { cause });
  }
}
