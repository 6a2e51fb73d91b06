import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { installFromBackports } from './backports.mjs';
import { environment } from './repository.mjs';
import { requireCommand, runCommand } from './run-command.mjs';

/** What the lab runs, and Debian's package for it. */
const programs = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  wg: 'wireguard-tools',
  ping: 'iputils-ping',
  iperf3: 'iperf3',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  openssl: 'openssl',
  // STUN clients of others: of RFC 8489, and of RFC 3489 before it.
  turnutils_stunclient: 'coturn',
  stun: 'stun-client',
};

/** The services of those packages that have any. */
const services = { 'etcd-server': ['etcd.service'], coturn: ['coturn.service'] };

/** The first release with segmentation offload; kernels with WireGuard need none. */
const leastWireguardGoDate = 20231211;

/**
 * Installs what the lab lacks on this machine.
 * @throws {Error} saying what to do by hand, where this may not or cannot do it
 */
export async function ensureDebianPackages(log) {
  const missing = await missingPackages();
  const needsWireguardGo = !(await hasWireguard());
  if (missing.length === 0 && !needsWireguardGo) return;
  const all = [...missing, ...(needsWireguardGo ? ['wireguard-go'] : [])];
  await requireRightToInstall(all);
  if (missing.length > 0) {
    log(`installing Debian packages: ${missing.join(', ')}`);
    await withoutNewServices(missing, () => install(missing));
  }
  if (needsWireguardGo) await installFromBackports(['wireguard-go'], { log });
}

async function install(packages) {
  const options = ['-o', 'DPkg::Lock::Timeout=300'];
  await requireCommand('apt-get', [...options, '-qq', 'update']);
  await requireCommand('env', [
    'DEBIAN_FRONTEND=noninteractive',
    // Without systemd, services are started according to the runlevel: none in this one.
    'RUNLEVEL=1',
    ...['apt-get', ...options, '-qq', '-y', '--no-install-recommends', 'install', ...packages],
  ]);
}

/**
 * The lab wants programs, while a package may start and enable a service of its own. systemd starts
 * none that is masked, and afterwards it is there for the owner of the machine to enable.
 */
async function withoutNewServices(packages, body) {
  const units = packages.flatMap((name) => services[name] ?? []);
  if (units.length === 0 || !(await exists('/run/systemd/system'))) return body();
  await requireCommand('systemctl', ['mask', '--runtime', ...units]);
  try {
    await body();
  } finally {
    await requireCommand('systemctl', ['unmask', '--runtime', ...units]);
    await runCommand('systemctl', ['disable', ...units]);
  }
}

async function missingPackages() {
  const packages = await Promise.all(
    Object.entries(programs).map(async ([program, name]) =>
      (await isOnPath(program)) ? [] : [name],
    ),
  );
  return [...new Set(packages.flat())];
}

async function isOnPath(program) {
  const paths = environment.PATH.split(delimiter).map((directory) => join(directory, program));
  const found = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

/** A `wireguard-go` that is not Debian's is its owner's choice. */
async function hasWireguard() {
  if (await isOnPath('wireguard-go')) {
    const { exitCode, output } = await runCommand('dpkg-query', ['--show', 'wireguard-go']);
    const date = exitCode === 0 ? /0\.0\.(\d{8})/.exec(output)?.[1] : undefined;
    if (date === undefined || Number(date) >= leastWireguardGoDate) return true;
  }
  return await kernelHasWireguard();
}

async function kernelHasWireguard() {
  if (await exists('/sys/module/wireguard')) return true;
  return (await runCommand('modprobe', ['--dry-run', '--quiet', 'wireguard'])).exitCode === 0;
}

const exists = (path) =>
  access(path).then(
    () => true,
    () => false,
  );

async function requireRightToInstall(packages) {
  const list = packages.join(' ');
  if (!(await isOnPath('apt-get'))) {
    throw new Error(`this machine lacks what Debian calls ${list}: install it, then try again`);
  }
  if (process.getuid() !== 0) {
    throw new Error(
      `this machine lacks ${list}: run this again as root (sudo), which installs it` +
        (packages.includes('wireguard-go') ? '' : `, or run: sudo apt-get install ${list}`),
    );
  }
}
