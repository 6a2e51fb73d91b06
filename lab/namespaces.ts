import { readdir, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner } from '../src/host/runner.ts';
import { identifyProcess, ignoreGone, networkNamespacesOfProcesses } from './process-table.ts';

/** No command of the lab takes a hundredth of this, unless the machine hangs. */
export const commandTimeoutMs = 30_000;

/** Where `ip netns` keeps its names. */
const namespaceDirectory = '/run/netns';

/** Ids have no hyphen, so no lab's names begin like another's. */
export const namespaceOf = (labId: string, node: string): string => `hanse-${labId}-${node}`;

/** The names of the namespaces of one lab that exist now. */
export async function listNamespaces(labId: string): Promise<string[]> {
  const names = (await readdir(namespaceDirectory).catch(ignoreGone)) ?? [];
  return names.filter((name) => name.startsWith(namespaceOf(labId, '')));
}

/** Removes the names; the kernel frees the rest once no process is inside. Missing ones are fine. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const existing = new Set(await readdir(namespaceDirectory));
  const lines = names.filter((name) => existing.has(name)).map((name) => `netns delete ${name}`);
  await createRunner().run('ip', ['-force', '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    timeoutMs: commandTimeoutMs,
  });
}

/** The ids of all processes inside, however they got there. */
export async function processesInside(names: readonly string[]): Promise<number[]> {
  const inodes = await Promise.all(names.map(inodeOf));
  const all = await networkNamespacesOfProcesses();
  return [...all].filter(([, inode]) => inodes.includes(inode)).map(([pid]) => pid);
}

async function inodeOf(name: string): Promise<number | undefined> {
  return (await stat(`${namespaceDirectory}/${name}`).catch(ignoreGone))?.ino;
}

/** Time for processes to end in their own way, and then for the kernel to end them. */
const graceMs = 1_000;
const killMs = 5_000;
const pollMs = 10;

/**
 * Ends every process inside: by SIGTERM, then by SIGKILL. Those that start meanwhile are ended too.
 * @returns the ids of those that are still there, which only the kernel could explain
 */
export async function endProcessesInside(names: readonly string[]): Promise<number[]> {
  const startedMs = performance.now();
  const asked = new Set<number>();
  let inside = await processesInside(names);
  while (inside.length > 0 && performance.now() - startedMs < graceMs + killMs) {
    const patient = performance.now() - startedMs < graceMs;
    for (const pid of inside) {
      if (!patient) signal(pid, 'SIGKILL');
      else if (!asked.has(pid)) signal(pid, 'SIGTERM');
      asked.add(pid);
    }
    await delay(pollMs);
    inside = await processesInside(names);
  }
  const identities = await Promise.all(inside.map(identifyProcess));
  return identities.flatMap((identity) => (identity ? [identity.pid] : []));
}

/** As a power failure does: every process inside ends at once. Resolves when none is left. */
export async function killProcessesInside(name: string): Promise<void> {
  for (;;) {
    const inside = await processesInside([name]);
    if (inside.length === 0) return;
    for (const pid of inside) signal(pid, 'SIGKILL');
    await delay(pollMs);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  if (pid === process.pid) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    ignoreGone(error);
  }
}
