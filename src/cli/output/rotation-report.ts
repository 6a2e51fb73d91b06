import type { RotationProgress } from '../../api/key-endpoints.ts';
import { type Output, paint } from '../terminal.ts';
import { formatDuration } from './human-units.ts';
import { KeyReport } from './key-report.ts';

/** Tells a person how the rotation of one subset's key goes. */
export class RotationReport {
  readonly #output: Output;
  readonly #subset: string;
  #key: KeyReport | undefined;

  constructor(output: Output, subset: string) {
    this.#output = output;
    this.#subset = subset;
  }

  add(progress: RotationProgress): void {
    if (progress.type === 'rotated') this.#rotated(progress);
    else this.#key?.add(progress);
  }

  #rotated(step: Extract<RotationProgress, { type: 'rotated' }>): void {
    const { epoch, afterMs, members, connected, masterHasApplied } = step;
    this.#key = new KeyReport(this.#output, { connected, nobody: 'no member has to apply it' });
    this.#output.write(
      `the key of ${this.#subset} is new after ${formatDuration(afterMs)}; ` +
        `${this.#subset} is at epoch ${epoch} and has ${members} members, ${connected} of them connected\n`,
    );
    if (!masterHasApplied) {
      const warning = paint(this.#output, 'yellow', 'its master has NOT applied it');
      this.#output.write(`${warning}: its log says why\n`);
    }
  }
}
