import { hasFailed } from './run-test-file.mjs';

const indentation = '      ';
/** Of each failure, at the end of a long output: what was expected, and where. */
const repeatedLines = 15;

/** Counts what has passed and failed, and prints it as it comes, one line for each file or check. */
export class TestTally {
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  #failures = [];
  /** Paths of files that failed beside others and are to be run again. */
  #undecided = new Set();
  #passedAlone = [];

  heading(text) {
    console.log(`\n${text}`);
  }

  /**
   * @param {string} name
   * @param {{ exitCode: number | null, output: string, durationMs: number }} outcome
   */
  addCheck(name, { exitCode, output, durationMs }) {
    const failed = exitCode !== 0;
    this.#printLine({ name, verdict: failed ? 'FAIL' : 'ok', note: '', durationMs });
    this.#count(failed ? 'failed' : 'passed');
    if (!failed) return;
    this.#printDetails(output);
    this.#failures.push({ name, details: output });
  }

  /**
   * @param {string} path
   * @param {import('./run-test-file.mjs').FileOutcome} outcome
   */
  addFile(path, outcome) {
    const { reports, problems } = outcome;
    this.#printFile(path, outcome, hasFailed(outcome) ? 'FAIL' : 'ok');
    const isDecided = this.#undecided.delete(path);
    if (isDecided && !hasFailed(outcome)) this.#passedAlone.push(path);
    for (const { outcome: each } of reports) this.#count(each);
    for (const _ of problems) this.#count('failed');
    this.#failures.push(...failuresOf(path, outcome));
  }

  /**
   * What failed while others kept the machine busy counts only when it fails again by itself.
   * @param {string} path
   * @param {import('./run-test-file.mjs').FileOutcome} outcome
   */
  addUndecided(path, outcome) {
    this.#printFile(path, outcome, 'again');
    this.#undecided.add(path);
  }

  /** Prints the end of the whole output. @returns whether something passed and nothing failed */
  finish() {
    if (this.#passedAlone.length > 0) {
      this.heading('failed beside another file, and passed alone');
      for (const path of this.#passedAlone) console.log(`  ${path}`);
    }
    if (this.#failures.length > 0) {
      this.heading('failures');
      for (const { name, details } of this.#failures) {
        console.log(`  ${name}`);
        this.#printDetails(details.split('\n').slice(0, repeatedLines).join('\n'));
      }
    }
    if (this.#skipped > 0) console.log(`\n${this.#skipped} skipped`);
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`);
    return this.#passed > 0 && this.#failed === 0 && this.#undecided.size === 0;
  }

  #count(outcome) {
    if (outcome === 'passed') this.#passed += 1;
    else if (outcome === 'failed') this.#failed += 1;
    else this.#skipped += 1;
  }

  #printFile(path, outcome, verdict) {
    const { reports, output, durationMs } = outcome;
    const note = `${reports.length} ${reports.length === 1 ? 'test' : 'tests'}`;
    this.#printLine({ name: path, verdict, note, durationMs });
    for (const { name, details } of failuresOf(path, outcome)) {
      this.#printDetails(`${name}\n${details}`);
    }
    if (hasFailed(outcome) && output !== '') {
      this.#printDetails(`what ${path} printed:\n${output}`);
    }
  }

  #printLine({ name, verdict, note, durationMs }) {
    const seconds = `${(durationMs / 1_000).toFixed(1)} s`;
    console.log(
      `  ${verdict.padEnd(5)} ${name.padEnd(58)} ${note.padStart(9)} ${seconds.padStart(8)}`,
    );
  }

  #printDetails(text) {
    console.log(text.trimEnd().replace(/^/gm, indentation));
  }
}

/** Those that have an error of their own. */
function failuresOf(path, { reports, problems }) {
  return [
    ...reports.flatMap(({ name, outcome, error }) =>
      outcome === 'failed' && error !== undefined
        ? [{ name: `${path}: ${name}`, details: error }]
        : [],
    ),
    ...problems.map((details) => ({ name: path, details })),
  ];
}
