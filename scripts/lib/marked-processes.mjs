import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * Finding all that a test has started, whatever session, group or namespace it is in: processes
 * inherit their environment, and it can be read from outside.
 */

const variable = 'HANSE_TEST_RUN';
const killMs = 5_000;
const pollMs = 20;

/**
 * The mark of this run, which names its owner beyond doubt: a process id may be given again, the
 * start time of its process not (proc_pid_stat(5)).
 */
export async function markOfThisRun() {
  return `${process.pid}.${await startTicksOf(process.pid)}`;
}

/** The environment for one part of the run. */
export const markedEnvironment = (mark, part) => ({ [variable]: `${mark}.${part}` });

/**
 * The ids of living processes whose mark begins so.
 * @param {string} mark
 * @param {string} [part] all parts unless given
 */
export async function findMarked(mark, part) {
  const wanted = part === undefined ? `${mark}.` : `${mark}.${part}`;
  const all = await readMarks();
  const fits = (text) => (part === undefined ? text.startsWith(wanted) : text === wanted);
  return all.filter(({ text }) => fits(text)).map(({ pid }) => pid);
}

/** Kills them, and what they start meanwhile. */
export async function killMarked(mark, part) {
  const deadlineMs = performance.now() + killMs;
  for (;;) {
    const pids = await findMarked(mark, part);
    if (pids.length === 0 || performance.now() > deadlineMs) return;
    for (const pid of pids) kill(pid);
    await delay(pollMs);
  }
}

/** Kills what runs that were themselves killed have left behind, and nothing of living ones. */
export async function killMarkedByDeadRuns() {
  const marks = new Set((await readMarks()).map(({ text }) => text.split('.', 2).join('.')));
  for (const mark of marks) {
    const [pid, startTicks] = mark.split('.');
    if ((await startTicksOf(Number(pid))) !== startTicks) await killMarked(mark);
  }
}

async function readMarks() {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const marks = await Promise.all(
    pids.map(async (pid) => {
      // A process of another user, or one that has just ended, is none of ours.
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      const text = environment.split('\0').find((line) => line.startsWith(`${variable}=`));
      return text === undefined || pid === process.pid
        ? []
        : [{ pid, text: text.slice(variable.length + 1) }];
    }),
  );
  return marks.flat();
}

async function startTicksOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // The command's name comes second, in parentheses, and may itself contain both.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
