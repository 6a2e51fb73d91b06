import { readdir, readFile } from 'node:fs/promises';

/** Of `/proc/PID/stat`: clock ticks are hundredths of a second on every Linux that matters. */
const ticksPerSecond = 100;

/** Physical memory that the process holds. @throws Error when it is gone */
export async function residentBytesOf(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readProc(pid, 'status')) ?? [];
  return Number(kilobytes) * 1024;
}

/** Processor time that the process has taken, all threads, user and system. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readProc(pid, 'stat');
  // The name may hold anything, so fields count from its closing bracket: utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Processes of this pid namespace whose program has the name. */
export async function processesNamed(name: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const names = await Promise.all(pids.map((pid) => readProc(pid, 'comm').catch(() => '')));
  return pids.filter((_, index) => names[index]?.trim() === name);
}

function readProc(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8');
}
