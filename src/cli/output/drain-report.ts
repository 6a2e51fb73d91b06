import type { DrainProgress } from '../../api/failover-endpoints.ts';
import { type Output, paint } from '../terminal.ts';
import { formatDuration } from './human-units.ts';

/** Tells a person how a drain goes: what was handed over and to whom, and how many sessions are left. */
export class DrainReport {
  readonly #output: Output;
  readonly #master: string;
  /** A terminal gets one line that counts down. */
  #isCounting = false;

  constructor(output: Output, master: string) {
    this.#output = output;
    this.#master = master;
  }

  add(progress: DrainProgress): void {
    if (progress.type !== 'sessions' && this.#isCounting) {
      this.#output.write('\n');
      this.#isCounting = false;
    }
    if (progress.type === 'sessions') this.#sessions(progress.left, progress.afterMs);
    else this.#output.write(`${this.#describe(progress)}\n`);
  }

  #describe(progress: Exclude<DrainProgress, { type: 'sessions' }>): string {
    switch (progress.type) {
      case 'handed-over': {
        const { subset, to, afterMs } = progress;
        return `${subset} is handed over to ${to} after ${formatDuration(afterMs)}`;
      }
      case 'kept': {
        const kept = paint(this.#output, 'yellow', `${progress.subset} stays for now`);
        return `${kept}: ${progress.reason}`;
      }
      case 'finished':
        return this.#summary(progress);
    }
  }

  #sessions(left: number, afterMs: number): void {
    const text = `  ${left} sessions left after ${formatDuration(afterMs)}`;
    this.#isCounting = this.#output.isTerminal;
    this.#output.write(this.#isCounting ? `\r${text}\u{1b}[K` : `${text}\n`);
  }

  #summary({ kept, sessions, afterMs }: Extract<DrainProgress, { type: 'finished' }>): string {
    if (kept === 0 && sessions === 0) {
      const empty = paint(this.#output, 'green', `${this.#master} is empty`);
      return `${empty} after ${formatDuration(afterMs)}; it takes nothing until \`hanse master return ${this.#master}\``;
    }
    const rest = [
      ...(kept > 0 ? [`still acts for ${kept} subsets`] : []),
      ...(sessions > 0 ? [`still has ${sessions} sessions`] : []),
    ];
    const not = paint(this.#output, 'yellow', `${this.#master} is NOT empty yet`);
    return `${not}: it ${rest.join(' and ')}, and goes on with it`;
  }
}
