import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findMarked, killMarked, markedEnvironment } from './marked-processes.mjs';
import { builtProgram, compileCache, environment, pinnedNode, root } from './repository.mjs';

const reporter = join(root, 'scripts', 'lib', 'test-reporter.mjs');
/** How long a program may take to end after the test that has asked it to. */
const graceMs = 2_000;
const pollMs = 50;
/** Of what a file prints, the end is kept. */
const mostOutputCharacters = 20_000;

/**
 * What came out of one file. `problems` are failures of the file itself, beside those of its tests.
 * @typedef {{
 *   reports: import('./test-reporter.mjs').TestReport[], problems: string[], output: string,
 *   durationMs: number
 * }} FileOutcome
 */

/**
 * @param {FileOutcome} outcome
 * @returns {boolean}
 */
export function hasFailed({ reports, problems }) {
  return problems.length > 0 || reports.some(({ outcome }) => outcome === 'failed');
}

/**
 * Runs one test file in a process of its own, to its end or its time limit; afterwards nothing that
 * it has started runs any more. What it left running counts as a failure.
 *
 * @param {import('./test-files.mjs').TestFile} file
 * @param {string} mark of the run
 * @returns {Promise<FileOutcome>}
 */
export async function runTestFile({ path, timeoutMs }, mark) {
  const startedMs = performance.now();
  const directory = await mkdtemp(join(tmpdir(), 'hanse-test-'));
  const reportsPath = join(directory, 'reports');
  try {
    const end = await runToEnd({ path, timeoutMs, reportsPath }, mark);
    const reports = parseReports(await readFile(reportsPath, 'utf8').catch(() => ''));
    const problems = findProblems(end, reports, timeoutMs);
    return { reports, problems, output: end.output, durationMs: performance.now() - startedMs };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function runToEnd({ path, timeoutMs, reportsPath }, mark) {
  const args = [`--test-reporter=${reporter}`, `--test-reporter-destination=${reportsPath}`, path];
  const child = spawn(pinnedNode, args, {
    cwd: root,
    env: {
      NODE_COMPILE_CACHE: compileCache,
      HANSE_BUILT_PROGRAM: builtProgram,
      ...environment,
      ...markedEnvironment(mark, path),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is for the runner, which then ends everything in order.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-mostOutputCharacters);
    });
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void killMarked(mark, path);
  }, timeoutMs);
  const [exitCode, signal] = await once(child, 'exit');
  clearTimeout(timer);
  const leftovers = timedOut ? [] : await waitForLeftovers(mark, path);
  await killMarked(mark, path);
  return { exitCode, signal, timedOut, leftovers, output };
}

/** The processes that are still there when the file's own has ended and they have had their time. */
async function waitForLeftovers(mark, path) {
  const deadlineMs = performance.now() + graceMs;
  let left = await findMarked(mark, path);
  while (left.length > 0 && performance.now() < deadlineMs) {
    await delay(pollMs);
    left = await findMarked(mark, path);
  }
  return Promise.all(left.map(describeProcess));
}

async function describeProcess(pid) {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return `${pid} (${line.split('\0').join(' ').trim()})`;
}

function parseReports(text) {
  // The last line of a file that was killed may be cut off.
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

function findProblems({ exitCode, signal, timedOut, leftovers }, reports, timeoutMs) {
  if (timedOut) return [`it was stopped after ${timeoutMs / 1_000} s`];
  const failed = reports.some(({ outcome }) => outcome === 'failed');
  return [
    ...(exitCode !== 0 && !failed ? [`it ended by ${signal ?? `exit code ${exitCode}`}`] : []),
    ...(exitCode === 0 && reports.length === 0 ? ['it has no tests'] : []),
    ...(leftovers.length > 0 ? [`it left running: ${leftovers.join(', ')}`] : []),
  ];
}
