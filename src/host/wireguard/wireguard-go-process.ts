import { readdir, readFile } from 'node:fs/promises';

/** By the name, which is unique on the machine, its process is found again. */
export function wireguardGoArguments(name: string): readonly string[] {
  return ['--foreground', name];
}

/** The `wireguard-go` of an interface, whoever started it and in whatever network namespace. */
export async function findWireguardGo(name: string): Promise<number | undefined> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const matches = await Promise.all(pids.map((pid) => isWireguardGoOf(name, pid)));
  return pids.find((_, index) => matches[index]);
}

export async function isWireguardGoOf(name: string, pid: number): Promise<boolean> {
  // Not there any more: then it is nobody's.
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const [program = '', ...args] = line.split('\0').slice(0, -1);
  return (
    program.endsWith('/wireguard-go') && args.join(' ') === wireguardGoArguments(name).join(' ')
  );
}

/** Ends it at once; its interface goes with it. Harmless when the process has become another. */
export async function endWireguardGo(name: string, pid: number): Promise<void> {
  if (!(await isWireguardGoOf(name, pid))) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
