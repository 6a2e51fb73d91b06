import type { RemovalProgress } from '../../api/member-endpoints.ts';
import { type Output, paint } from '../terminal.ts';
import { formatDuration } from './human-units.ts';
import { KeyReport } from './key-report.ts';

/** Whose removal it is. */
export interface RemovalSubject {
  readonly kind: 'evict' | 'ban';
  readonly name: string;
  readonly subset: string;
  /** The master that does it. */
  readonly acting: string;
}

/** Tells a person how a removal goes: the removal, who has applied it, who has not. */
export class RemovalReport {
  readonly #output: Output;
  readonly #subject: RemovalSubject;
  #key: KeyReport | undefined;

  constructor(output: Output, subject: RemovalSubject) {
    this.#output = output;
    this.#subject = subject;
  }

  add(progress: RemovalProgress): void {
    if (progress.type === 'removed') this.#removed(progress);
    else this.#key?.add(progress);
  }

  #removed(step: Extract<RemovalProgress, { type: 'removed' }>): void {
    const { epoch, afterMs, members, connected, alsoIn, tunnelIsDown } = step;
    const { kind, name, subset, acting } = this.#subject;
    this.#key = new KeyReport(this.#output, {
      connected,
      nobody: 'no other member has to apply it',
    });
    const done = kind === 'ban' ? 'banned' : 'evicted';
    this.#output.write(
      `${name}.${subset} is ${done} by ${acting} after ${formatDuration(afterMs)}; ` +
        `${subset} is at epoch ${epoch} and has ${members} other members, ${connected} of them connected\n`,
    );
    if (!tunnelIsDown) {
      const warning = paint(this.#output, 'yellow', 'its tunnel is NOT down');
      this.#output.write(`${warning}: the log of ${acting} says why\n`);
    }
    if (kind === 'evict' && alsoIn.length > 0) {
      this.#output.write(`it stays in ${alsoIn.join(', ')}\n`);
    }
  }
}

/** Tells a person what became of it in the other subsets, where all have one key. */
export function writeElsewhere(
  output: Output,
  { applied, lacking }: { readonly applied: boolean; readonly lacking: readonly string[] },
): void {
  const verdict = applied
    ? paint(output, 'green', 'applied in all other subsets')
    : paint(output, 'yellow', 'NOT yet applied in all other subsets');
  output.write([verdict, ...lacking.map((line) => `  ${line}`), ''].join('\n'));
}
