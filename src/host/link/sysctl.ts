import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Family } from '../../model/prefix.ts';
import { HostError } from '../host-error.ts';

/** Shows the settings of the network namespace of whoever looks. */
const root = '/proc/sys/net';

/** The setting, or undefined when this kernel does not have it. */
export async function readSysctl(path: string): Promise<string | undefined> {
  return readFile(join(root, path), 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
}

/** @throws HostError `command-failed` */
async function writeSysctl(path: string, value: string): Promise<void> {
  try {
    // Writing has side effects in the kernel even when nothing changes.
    if ((await readSysctl(path)) !== value) await writeFile(join(root, path), value);
  } catch (cause) {
    const command = `sysctl net.${path.replaceAll('/', '.')}=${value}`;
    throw new HostError(`${command} failed: ${(cause as Error).message}`, {
      code: 'command-failed',
      fields: { command, stderr: (cause as Error).message, reason: 'not writable' },
      cause,
    });
  }
}

/**
 * Sets up how the kernel treats packets that arrive by one of our interfaces.
 *
 * - IPv4 is forwarded for this interface alone.
 * - IPv6 too where the kernel can (`force_forwarding`, Linux 6.17). Before, there is only the switch
 *   for all interfaces, which is turned on and never off again, since others may have come to rely
 *   on it. It makes the machine ignore router advertisements on interfaces with `accept_ra=1`;
 *   `hanse doctor` warns of that.
 * - Nobody asks whether the way back is the way a packet came, because paths move one end at a time.
 */
export async function applyInterfaceSysctls(name: string, forwarding: boolean): Promise<void> {
  await writeSysctl(`ipv4/conf/${name}/rp_filter`, await reversePathFilter());
  await writeForwarding(name, 4, forwarding);
  if ((await readSysctl(`ipv6/conf/${name}/forwarding`)) === undefined) return;
  if ((await readForwarding(name, 6)) !== undefined) {
    await writeForwarding(name, 6, forwarding);
  } else if (forwarding) {
    await writeSysctl('ipv6/conf/all/forwarding', '1');
  }
}

/**
 * The greater of the interface's value and that of `all` counts (Linux, ip-sysctl). So where `all`
 * is 1 (strict), only 2 (loose: any way back will do) keeps the interface from being strict as well.
 */
async function reversePathFilter(): Promise<'0' | '2'> {
  return (await readSysctl('ipv4/conf/all/rp_filter')) === '1' ? '2' : '0';
}

/** Whether this machine forwards whatever arrives by any interface, as a router does. */
export async function forwardsEverything(family: Family): Promise<boolean> {
  return (await readSysctl(`ipv${family}/conf/all/forwarding`)) === '1';
}

/** Undefined when this kernel has no switch for one interface (IPv6 before Linux 6.17). */
export async function readForwarding(name: string, family: Family): Promise<boolean | undefined> {
  const value = await readSysctl(forwardingSwitch(name, family));
  return value === undefined ? undefined : value === '1';
}

/** @throws HostError `command-failed` */
export async function writeForwarding(
  name: string,
  family: Family,
  forwarding: boolean,
): Promise<void> {
  await writeSysctl(forwardingSwitch(name, family), forwarding ? '1' : '0');
}

function forwardingSwitch(name: string, family: Family): string {
  return family === 4 ? `ipv4/conf/${name}/forwarding` : `ipv6/conf/${name}/force_forwarding`;
}
