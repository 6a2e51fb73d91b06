import type { KeyProgress } from '../../api/key-progress.ts';
import { type Output, paint } from '../terminal.ts';
import { formatDuration } from './human-units.ts';
import { listNames } from './name-list.ts';

type Step<Type extends KeyProgress['type']> = Extract<KeyProgress, { type: Type }>;

/**
 * Tells a person who has applied a new key and who has not. A terminal gets one line that counts;
 * anything else a line for each member.
 */
export class KeyReport {
  readonly #output: Output;
  readonly #connected: number;
  /** What to say when there was nobody to apply it. */
  readonly #nobody: string;
  #acknowledged = 0;

  constructor(output: Output, options: { readonly connected: number; readonly nobody: string }) {
    this.#output = output;
    this.#connected = options.connected;
    this.#nobody = options.nobody;
  }

  add(progress: KeyProgress): void {
    if (progress.type === 'acknowledged') this.#applied(progress);
    else this.#finished(progress);
  }

  #applied({ member, afterMs }: Step<'acknowledged'>): void {
    this.#acknowledged += 1;
    this.#output.write(
      this.#output.isTerminal
        ? `\r  applied by ${this.#acknowledged} of ${this.#connected} connected members (${formatDuration(afterMs)})\u{1b}[K`
        : `  ${member} has applied it after ${formatDuration(afterMs)}\n`,
    );
  }

  #finished({ acknowledged, pending, pendingTotal, afterMs }: Step<'finished'>): void {
    if (this.#output.isTerminal && this.#acknowledged > 0) this.#output.write('\n');
    const late = pending.filter(({ connected }) => connected).map(({ member }) => member);
    const away = pending.filter(({ connected }) => !connected).map(({ member }) => member);
    const verdict =
      late.length === 0
        ? paint(this.#output, 'green', 'applied by every connected member')
        : paint(this.#output, 'yellow', 'NOT yet applied by every connected member');
    this.#output.write(
      acknowledged + pendingTotal === 0
        ? `${this.#nobody}\n`
        : `${verdict}: ${acknowledged} in ${formatDuration(afterMs)}\n`,
    );
    if (late.length > 0)
      this.#output.write(`  connected, and still to do it: ${listNames(late)}\n`);
    if (away.length > 0) {
      this.#output.write(`  not connected, will when they come back: ${listNames(away)}\n`);
    }
    const unnamed = pendingTotal - pending.length;
    if (unnamed > 0) this.#output.write(`  and ${unnamed} more\n`);
  }
}
