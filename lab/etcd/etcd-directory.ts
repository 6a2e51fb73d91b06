import { mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess, ignoreGone, isAlive } from '../process-table.ts';

/** A member allocates two segments of 64 MB before it writes anything; containers have little here. */
const leastFreeBytes = 2 * 1024 ** 3;
const memoryDirectory = '/dev/shm';
const ownDirectory = 'hanse-lab-etcd';
const ownerName = /^(\d+)\.(\d+)\./;

/**
 * A directory for a cluster's data: in memory where there is room, as a test looks for what happens
 * when processes die, and machines stay up. First removes those of processes that were killed.
 */
export async function claimEtcdDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const parent = join(await roomyDirectory(), ownDirectory);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await removeOrphans(parent);
  const owner = await identifyProcess(process.pid);
  const path = await mkdtemp(join(parent, `${owner?.pid}.${owner?.startTicks}.`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function roomyDirectory(): Promise<string> {
  const found = await statfs(memoryDirectory).catch(ignoreGone);
  return found && found.bavail * found.bsize >= leastFreeBytes ? memoryDirectory : tmpdir();
}

async function removeOrphans(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const [, pid, startTicks] = ownerName.exec(name) ?? [];
    if (pid === undefined || startTicks === undefined) continue;
    if (await isAlive({ pid: Number(pid), startTicks })) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}
