import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * A process, beyond doubt: its number alone may have been given to another since. The start time is
 * in clock ticks since boot, as proc_pid_stat(5) has it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** The process's identity, or undefined when there is none with that number, or only its zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(ignoreGone);
  if (stat === undefined) return undefined;
  // The command's name comes second, in parentheses, and may itself contain both.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return startTicks === undefined || state === 'Z' ? undefined : { pid, startTicks };
}

export async function isAlive({ pid, startTicks }: ProcessIdentity): Promise<boolean> {
  return (await identifyProcess(pid))?.startTicks === startTicks;
}

/** The network namespace of every process, each as the kernel's number for it. */
export async function networkNamespacesOfProcesses(): Promise<ReadonlyMap<number, number>> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const pairs = await Promise.all(
    pids.map(async (pid) => {
      const target = await readlink(`/proc/${pid}/ns/net`).catch(ignoreGone);
      const inode = target?.match(/^net:\[(\d+)\]$/)?.[1];
      return inode === undefined ? [] : [[pid, Number(inode)] as const];
    }),
  );
  return new Map(pairs.flat());
}

/** Processes end while one looks, and a zombie has neither namespaces nor sockets. */
export function ignoreGone(error: unknown): undefined {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (!['ENOENT', 'ESRCH', 'EACCES', 'EINVAL'].includes(code)) throw error;
}
