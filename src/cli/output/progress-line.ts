import type { Output } from '../terminal.ts';

/** A terminal is not written to more often than somebody can read. */
const shortestMs = 100;

/**
 * One line that counts, for a person who waits; anything that is no terminal gets nothing.
 * `end` leaves an empty line for what comes next.
 */
export class ProgressLine {
  readonly #output: Output;
  #shownMs = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
  }

  show(text: string): void {
    const nowMs = performance.now();
    if (!this.#output.isTerminal || nowMs - this.#shownMs < shortestMs) return;
    this.#shownMs = nowMs;
    this.#isShown = true;
    this.#output.write(`\r${text}\u{1b}[K`);
  }

  end(): void {
    if (this.#isShown) this.#output.write('\r\u{1b}[K');
    this.#isShown = false;
  }
}
