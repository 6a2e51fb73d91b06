const indentation = '      ';

/** Counts what has passed and failed, and prints it as it comes, one line for each file or check. */
export class TestTally {
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  #failures = [];

  heading(text) {
    console.log(`\n${text}`);
  }

  /**
   * @param {string} name
   * @param {{ exitCode: number | null, output: string, durationMs: number }} outcome
   */
  addCheck(name, { exitCode, output, durationMs }) {
    this.#printLine({ name, failed: exitCode !== 0, note: '', durationMs });
    this.#count(exitCode === 0 ? 'passed' : 'failed');
    if (exitCode !== 0) this.#printFailure(name, output);
  }

  /**
   * @param {string} path
   * @param {import('./run-test-file.mjs').FileOutcome} outcome
   */
  addFile(path, { reports, problems, output, durationMs }) {
    const failures = reports.filter(({ outcome }) => outcome === 'failed');
    const failed = failures.length + problems.length > 0;
    const note = `${reports.length} ${reports.length === 1 ? 'test' : 'tests'}`;
    this.#printLine({ name: path, failed, note, durationMs });
    for (const { outcome } of reports) this.#count(outcome);
    for (const { name, error } of failures) {
      if (error !== undefined) this.#printFailure(`${path}: ${name}`, error);
    }
    for (const problem of problems) {
      this.#count('failed');
      this.#printFailure(path, problem);
    }
    if (failed && output !== '') this.#printDetails(`what ${path} printed:\n${output}`);
  }

  /** Prints the end of the whole output. @returns whether something passed and nothing failed */
  finish() {
    if (this.#failures.length > 0) {
      this.heading('failures');
      for (const name of this.#failures) console.log(`  ${name}`);
    }
    if (this.#skipped > 0) console.log(`\n${this.#skipped} skipped`);
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`);
    return this.#passed > 0 && this.#failed === 0;
  }

  #count(outcome) {
    if (outcome === 'passed') this.#passed += 1;
    else if (outcome === 'failed') this.#failed += 1;
    else this.#skipped += 1;
  }

  #printLine({ name, failed, note, durationMs }) {
    const seconds = `${(durationMs / 1_000).toFixed(1)} s`;
    const verdict = failed ? 'FAIL' : 'ok';
    console.log(
      `  ${verdict.padEnd(5)} ${name.padEnd(58)} ${note.padStart(9)} ${seconds.padStart(8)}`,
    );
  }

  #printFailure(name, details) {
    this.#failures.push(name);
    this.#printDetails(`${name}\n${details}`);
  }

  #printDetails(text) {
    console.log(text.trimEnd().replace(/^/gm, indentation));
  }
}
