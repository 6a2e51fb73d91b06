// `npm test [-- PATTERN...]`: every check and every test, or those whose names contain a pattern.
import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { killMarked, killMarkedByDeadRuns, markOfThisRun } from './lib/marked-processes.mjs';
import { pinnedNode } from './lib/repository.mjs';
import { runCommand } from './lib/run-command.mjs';
import { hasFailed, runTestFile } from './lib/run-test-file.mjs';
import { findTestFiles, matches } from './lib/test-files.mjs';
import { TestTally } from './lib/test-tally.mjs';
import { setUpAndThen } from './setup.mjs';

/** Each counts as a test. */
const checks = [
  { name: 'types', line: ['tsc', '--noEmit'] },
  { name: 'lint and format', line: ['biome', 'check', '--error-on-warnings', '.'] },
];

const cores = availableParallelism();
const largeThenSmall = ['large networks', 'networks'];
/**
 * One after the other, each with lanes that run at once: a lane takes one file after the other, of the
 * first of its kinds that has any left. Among the plain ones there is always one that waits for a
 * lease to end. Networks take a dozen daemons each, so that two are enough for any machine, and one
 * where it is a large one. What fails beside another network is run again alone, and that decides
 * (docs/decisions/0031-networks-that-fail-beside-others.md).
 */
const phases = [
  { title: 'tests', lanes: Array(cores + 1).fill(['plain']) },
  {
    title: 'tests in networks of their own',
    lanes: cores > 1 ? [largeThenSmall, ['networks']] : [largeThenSmall],
    decidesAlone: true,
  },
  { title: 'tests that want the machine to themselves', lanes: [['alone']] },
];

async function main(patterns) {
  const mark = await markOfThisRun();
  const tally = new TestTally();
  const interrupted = endOnSignals(mark);
  await killMarkedByDeadRuns();
  try {
    await runChecks(patterns, tally);
    const files = await findTestFiles(patterns);
    const run = { mark, tally, interrupted };
    const undecided = [];
    for (const phase of phases) {
      const ofLanes = files.filter(({ kind }) => phase.lanes.some((kinds) => kinds.includes(kind)));
      undecided.push(...(await runFiles(phase, ofLanes, run)));
    }
    await runFiles({ title: 'once more, alone', lanes: [largeThenSmall] }, undecided, run);
  } finally {
    await killMarked(mark);
    await removeDeadLabs();
  }
  const succeeded = tally.finish();
  process.exitCode = interrupted.aborted ? 130 : succeeded ? 0 : 1;
}

/** After a signal no file is started, and those that run are killed, which fails them. */
function endOnSignals(mark) {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(name, () => {
      controller.abort();
      void killMarked(mark);
    });
  }
  return controller.signal;
}

async function runChecks(patterns, tally) {
  const wanted = checks.filter(({ name }) => matches(name, patterns));
  if (wanted.length > 0) tally.heading('checks');
  for (const { name, line } of wanted) {
    const [command, ...args] = line;
    const startedMs = performance.now();
    const result = await runCommand(command, args);
    tally.addCheck(name, { ...result, durationMs: performance.now() - startedMs });
  }
}

/** @returns the files that have to be run again */
async function runFiles({ title, lanes, decidesAlone }, files, { mark, tally, interrupted }) {
  if (files.length === 0) return [];
  tally.heading(lanes.length > 1 ? `${title}, ${lanes.length} files at once` : title);
  const waiting = new Set(files);
  const take = (kinds) => {
    const file = kinds.flatMap((kind) => [...waiting].filter((one) => one.kind === kind))[0];
    waiting.delete(file);
    return file;
  };
  const running = new Set();
  const crowded = new Set();
  const undecided = [];
  const run = async (kinds) => {
    for (let file = take(kinds); file && !interrupted.aborted; file = take(kinds)) {
      running.add(file);
      if (running.size > 1) for (const each of running) crowded.add(each);
      const outcome = await runTestFile(file, mark);
      running.delete(file);
      const isUndecided = decidesAlone && crowded.has(file) && hasFailed(outcome);
      if (isUndecided && !interrupted.aborted) {
        tally.addUndecided(file.path, outcome);
        undecided.push(file);
      } else {
        tally.addFile(file.path, outcome);
      }
    }
  };
  await Promise.all(lanes.map(run));
  return undecided;
}

/** A file that was killed cannot remove its labs. */
async function removeDeadLabs() {
  const anyLab = await access('/run/hanse-lab').then(
    () => true,
    () => false,
  );
  if (!anyLab) return;
  const { exitCode, output } = await runCommand(pinnedNode, ['lab/remove-dead-labs-process.ts']);
  if (exitCode !== 0) console.error(output.trim());
}

await setUpAndThen({ need: { lab: true, build: true } }, () => main(process.argv.slice(2)));
