import { randomBytes } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { HostError, stderrOf } from '../host-error.ts';
import type { Runner } from '../runner.ts';

/** What carries the packets. */
export type WireguardBackend =
  | { readonly kind: 'kernel' }
  | { readonly kind: 'wireguard-go'; readonly version: string; readonly path: string };

/** The first release with segmentation offload, which is five times as fast as the one before. */
export const minimumWireguardGoVersion = '0.0.20231211';

const installAdvice =
  'install wireguard-go 0.0.20231211 or later (Debian 13: apt-get install wireguard-go; ' +
  'Debian 12: from bookworm-backports)';
const probeTimeoutMs = 10_000;

/**
 * Finds out by trying: the kernel's WireGuard where there is one, else a `wireguard-go` that is
 * new enough. Costs some milliseconds and needs the right to administer the network; the answer
 * does not change while a machine runs.
 *
 * @throws HostError `no-wireguard` or `wireguard-go-too-old`, saying what to install;
 *   `command-failed` without the right
 */
export async function detectBackend(runner: Runner): Promise<WireguardBackend> {
  if (await hasKernelWireguard(runner)) return { kind: 'kernel' };
  const path = await findOnPath('wireguard-go');
  if (path === undefined) {
    throw new HostError(
      `the kernel has no WireGuard and there is no wireguard-go: ${installAdvice}`,
      { code: 'no-wireguard', fields: { reason: 'no wireguard-go' } },
    );
  }
  const { stdout } = await runner.run(path, ['--version'], { timeoutMs: probeTimeoutMs });
  return {
    kind: 'wireguard-go',
    version: requireVersion(stdout, path, await readFile(path)),
    path,
  };
}

/** Makes an interface and takes it away in one command, so that nobody can interrupt in between. */
async function hasKernelWireguard(runner: Runner): Promise<boolean> {
  const name = `hnsprobe${randomBytes(3).toString('hex')}`;
  try {
    await runner.run('ip', ['-batch', '-'], {
      input: `link add ${name} type wireguard\nlink del ${name}\n`,
      timeoutMs: probeTimeoutMs,
    });
    return true;
  } catch (error) {
    if (/Unknown device type|Operation not supported/.test(stderrOf(error))) return false;
    throw error;
  }
}

/**
 * Reads a version out of what `wireguard-go --version` says.
 *
 * Release 0.0.20231211 still calls itself 0.0.20230223. The two are told apart by a function that
 * came in between; its name is in every Go program's table of functions, stripped or not.
 *
 * @throws HostError `wireguard-go-too-old`, `unreadable-output`
 */
export function requireVersion(versionText: string, path: string, program: Buffer): string {
  const said = /^wireguard-go v?(0\.0\.(\d{8}))/m.exec(versionText);
  if (!said?.[1] || !said[2]) {
    throw new HostError(`${path} --version does not say which wireguard-go it is`, {
      code: 'unreadable-output',
      fields: { command: `${path} --version` },
    });
  }
  const isMislabelled =
    said[2] === '20230223' && program.includes('golang.zx2c4.com/wireguard/conn.coalesceMessages');
  const version = isMislabelled ? minimumWireguardGoVersion : said[1];
  if (dateOf(version) >= dateOf(minimumWireguardGoVersion)) return version;
  throw new HostError(
    `${path} is version ${version}, which is too old, and the kernel has no WireGuard: ${installAdvice}`,
    {
      code: 'wireguard-go-too-old',
      fields: { path, version, minimumVersion: minimumWireguardGoVersion },
    },
  );
}

/** Versions of wireguard-go are `0.0.` and a date. */
function dateOf(version: string): number {
  return Number(version.slice('0.0.'.length));
}

async function findOnPath(program: string): Promise<string | undefined> {
  const { PATH = '/usr/bin:/bin' } = process.env;
  for (const directory of [...PATH.split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(directory, program);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}
