import type { OnProgress } from './landing/progress-lines.ts';

/** As many as whoever comes later is told of what has been. */
const mostKept = 20;

/** How far a join is, for all who wait for it. */
export class JoinProgress {
  readonly #lines: string[] = [];
  readonly #listeners = new Set<OnProgress>();

  readonly tell: OnProgress = (line) => {
    this.#lines.push(line);
    if (this.#lines.length > mostKept) this.#lines.shift();
    for (const listener of this.#listeners) listener(line);
  };

  /** The listener is told what has been, and whatever comes. */
  follow(listener: OnProgress): void {
    for (const line of this.#lines) listener(line);
    this.#listeners.add(listener);
  }
}
