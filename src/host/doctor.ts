import { open, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { describeError } from '../model/error.ts';
import { HostError } from './host-error.ts';
import { readRules } from './link/source-rules.ts';
import { readSysctl } from './link/sysctl.ts';
import type { Runner } from './runner.ts';
import { detectBackend, type WireguardBackend } from './wireguard/backend.ts';

export type HostRole = 'master' | 'member';

/**
 * One thing about the machine.
 * - `ok`: nothing to do. `warning`: works, but may surprise. `missing`: the role cannot work.
 */
export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'missing' | 'warning';
  /** What there is. */
  readonly found: string;
  /** A command or a sentence for Debian; absent when all is well. */
  readonly advice?: string;
}

export interface DoctorOptions {
  readonly role: HostRole;
  /** Where the daemon is going to keep its data; the nearest directory that exists is looked at. */
  readonly dataDirectory: string;
}

/**
 * What this machine has and lacks for a role. Looks only, except that an interface is made and taken
 * away again to see whether the kernel can. Never throws for what it finds.
 */
export async function inspectHost(
  { role, dataDirectory }: DoctorOptions,
  { runner, nowMs }: { readonly runner: Runner; readonly nowMs: number },
): Promise<readonly Finding[]> {
  const backend = detectBackend(runner);
  return Promise.all([
    inspectRights(),
    inspectProgram(runner, 'ip', ['-V']),
    inspectProgram(runner, 'wg', ['--version']),
    inspectProgram(runner, 'nft', ['--version']),
    inspectProgram(runner, 'ss', ['-V']),
    inspectWireguard(backend),
    inspectTun(backend),
    inspectReversePathFilter(),
    ...(role === 'master' ? [inspectForwarding()] : [inspectPolicyRouting(runner)]),
    inspectDisk(dataDirectory),
    inspectClock(nowMs),
  ]);
}

/** Bit 12 of the effective capabilities (capabilities(7)). */
const netAdminBit = 12n;

async function inspectRights(): Promise<Finding> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const check = 'rights';
  if ((effective >> netAdminBit) & 1n) return { check, status: 'ok', found: 'CAP_NET_ADMIN' };
  return {
    check,
    status: 'missing',
    found: 'no CAP_NET_ADMIN, so interfaces, routes and filters cannot be set',
    advice: 'run as root, or in a systemd unit with AmbientCapabilities=CAP_NET_ADMIN',
  };
}

const programTimeoutMs = 5_000;

async function inspectProgram(
  runner: Runner,
  program: string,
  args: readonly string[],
): Promise<Finding> {
  try {
    const { stdout } = await runner.run(program, args, { timeoutMs: programTimeoutMs });
    return { check: program, status: 'ok', found: stdout.split('\n')[0] ?? '' };
  } catch (error) {
    const { package: debianPackage } = error instanceof HostError ? error.fields : {};
    const advice =
      debianPackage === undefined
        ? `see why ${program} ${args.join(' ')} fails`
        : `apt-get install ${debianPackage}`;
    return { check: program, status: 'missing', found: describeError(error), advice };
  }
}

async function inspectWireguard(detection: Promise<WireguardBackend>): Promise<Finding> {
  const check = 'wireguard';
  try {
    const backend = await detection;
    const found =
      backend.kind === 'kernel' ? 'kernel' : `wireguard-go ${backend.version} at ${backend.path}`;
    return { check, status: 'ok', found };
  } catch (error) {
    const advice =
      'apt-get install wireguard-go (Debian 12: from bookworm-backports), or use a kernel with WireGuard';
    return { check, status: 'missing', found: describeError(error), advice };
  }
}

/** Only wireguard-go needs it. */
async function inspectTun(detection: Promise<WireguardBackend>): Promise<Finding> {
  const check = 'tun';
  const path = '/dev/net/tun';
  const isNeeded = await detection.then(
    ({ kind }) => kind === 'wireguard-go',
    () => true,
  );
  if (!isNeeded) return { check, status: 'ok', found: 'not needed with WireGuard in the kernel' };
  try {
    await (await open(path, 'r+')).close();
    return { check, status: 'ok', found: path };
  } catch (error) {
    const advice = 'modprobe tun; in a container, give it the device /dev/net/tun';
    return { check, status: 'missing', found: describeError(error), advice };
  }
}

async function inspectReversePathFilter(): Promise<Finding> {
  const check = 'reverse path filter';
  const value = await readSysctl('ipv4/conf/all/rp_filter');
  const found = `net.ipv4.conf.all.rp_filter = ${value ?? 'unknown'}`;
  if (value !== '1') return { check, status: 'ok', found };
  return {
    check,
    status: 'warning',
    found: `${found} (strict); our interfaces are set to 2 (loose), since the greater one counts`,
    advice: 'sysctl -w net.ipv4.conf.all.rp_filter=0 lets each interface have its own setting',
  };
}

/** What a member needs that moves, or is in several subsets: each address leaves by its own membership. */
async function inspectPolicyRouting(runner: Runner): Promise<Finding> {
  const check = 'policy routing';
  try {
    await Promise.all([readRules(runner, 4), readRules(runner, 6)]);
    return { check, status: 'ok', found: 'rules by source, for IPv4 and IPv6' };
  } catch (error) {
    return {
      check,
      status: 'warning',
      found: `none, so a member that moves cannot keep its old addresses for a while, nor be in two subsets: ${describeError(error)}`,
      advice:
        'use a kernel with CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES, as distributions have',
    };
  }
}

async function inspectForwarding(): Promise<Finding> {
  const check = 'IPv6 forwarding';
  if ((await readSysctl('ipv6/conf/all/forwarding')) === undefined) {
    const found = 'this kernel runs without IPv6';
    return { check, status: 'missing', found, advice: 'boot without ipv6.disable=1' };
  }
  if ((await readSysctl('ipv6/conf/default/force_forwarding')) !== undefined) {
    return { check, status: 'ok', found: 'can be turned on for single interfaces' };
  }
  if ((await readSysctl('ipv6/conf/all/forwarding')) === '1') {
    return { check, status: 'ok', found: 'on for all interfaces' };
  }
  return {
    check,
    status: 'warning',
    found: 'this kernel (before 6.17) can only turn it on for all interfaces; a master will do so',
    advice:
      'if this machine gets its IPv6 address or route by router advertisements, ' +
      'sysctl -w net.ipv6.conf.IFACE.accept_ra=2 keeps them coming',
  };
}

/** Far more than a master with 10,000 members and a year of audit log needs. */
const comfortableDiskBytes = 1024 ** 3;
const neededDiskBytes = 64 * 1024 ** 2;

async function inspectDisk(directory: string): Promise<Finding> {
  const check = 'disk';
  const { path, freeBytes } = await freeSpace(directory);
  const found = `${Math.floor(freeBytes / 1024 ** 2)} MiB free at ${path}`;
  if (freeBytes >= comfortableDiskBytes) return { check, status: 'ok', found };
  const status = freeBytes >= neededDiskBytes ? 'warning' : 'missing';
  return { check, status, found, advice: 'make room: a full disk stops joins and evictions' };
}

async function freeSpace(directory: string): Promise<{ path: string; freeBytes: number }> {
  let path = resolve(directory);
  while (!(await isThere(path))) path = dirname(path);
  const stats = await statfs(path);
  return { path, freeBytes: stats.bavail * stats.bsize };
}

/** The root always is. */
function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => path === '/',
  );
}

/** When this was written; no certificate of Hanse's is older. */
const earliestMs = Date.UTC(2026, 10, 1);
const latestMs = Date.UTC(2100, 0, 1);

/** Certificates live for hours, so a clock that is off by more refuses everybody. */
async function inspectClock(nowMs: number): Promise<Finding> {
  const check = 'clock';
  const found = new Date(nowMs).toISOString();
  if (nowMs >= earliestMs && nowMs < latestMs) return { check, status: 'ok', found };
  return {
    check,
    status: 'missing',
    found: `${found}, which cannot be`,
    advice: 'apt-get install systemd-timesyncd && timedatectl set-ntp true',
  };
}
