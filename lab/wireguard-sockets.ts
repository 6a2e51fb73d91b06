import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ignoreGone, networkNamespacesOfProcesses } from './process-table.ts';

/** Where every wireguard-go of the machine has its control socket, whatever its namespace. */
const socketDirectory = '/run/wireguard';
/** How the names of the VPN's own interfaces begin; sockets of others are not ours to remove. */
const ownInterfacePrefix = 'hns';
/** A socket's file appears a moment before the kernel lists the socket. */
const settleMs = 20;

/** The control sockets that processes in the same namespaces as these hold. */
export async function controlSocketsOf(pids: readonly number[]): Promise<string[]> {
  const names = await Promise.all(pids.map(boundSocketNames));
  return [...new Set(names.flatMap((ofOne) => ofOne ?? []))].map(socketPath);
}

export async function removeSockets(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => rm(path, { force: true })));
}

/**
 * Removes the sockets of our interfaces that no process holds any more: those of a wireguard-go that
 * was killed. The sockets of living labs are safe, because the kernel lists them.
 */
export async function removeOrphanedSockets(): Promise<void> {
  const first = await findOrphanedSockets();
  if (first.length === 0) return;
  await delay(settleMs);
  const second = await findOrphanedSockets();
  await removeSockets(first.filter((path) => second.includes(path)));
}

async function findOrphanedSockets(): Promise<string[]> {
  const files = (await readdir(socketDirectory).catch(ignoreGone)) ?? [];
  const own = files.filter((name) => name.startsWith(ownInterfacePrefix));
  if (own.length === 0) return [];
  const bound = new Set(await everyBoundSocketName());
  return own.filter((name) => !bound.has(name)).map(socketPath);
}

const socketPath = (name: string): string => join(socketDirectory, name);

async function everyBoundSocketName(): Promise<string[]> {
  const byNamespace = new Map<number, number[]>();
  for (const [pid, inode] of await networkNamespacesOfProcesses()) {
    byNamespace.set(inode, [...(byNamespace.get(inode) ?? []), pid]);
  }
  return (await Promise.all([...byNamespace.values()].map(socketsOfNamespace))).flat();
}

/** Any process tells for the whole of its namespace; the next one is asked when one has just ended. */
async function socketsOfNamespace(pids: readonly number[]): Promise<string[]> {
  for (const pid of pids) {
    const names = await boundSocketNames(pid);
    if (names) return names;
  }
  return [];
}

async function boundSocketNames(pid: number): Promise<string[] | undefined> {
  const table = await readFile(`/proc/${pid}/net/unix`, 'utf8').catch(ignoreGone);
  const paths = table?.matchAll(/ (\/\S*\/wireguard\/\S+\.sock)$/gm);
  return paths && Array.from(paths, ([, path = '']) => basename(path));
}
