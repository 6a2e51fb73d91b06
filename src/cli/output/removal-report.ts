import type { RemovalProgress } from '../../api/endpoints.ts';
import { type Output, paint } from '../terminal.ts';
import { formatDuration } from './human-units.ts';

/** Whose removal it is. */
export interface RemovalSubject {
  readonly kind: 'evict' | 'ban';
  readonly name: string;
  readonly subset: string;
  /** The master that does it. */
  readonly acting: string;
}

type Step<Type extends RemovalProgress['type']> = Extract<RemovalProgress, { type: Type }>;

/** More names than fit on a screen tell nobody anything. */
const mostNames = 20;

/**
 * Tells a person how a removal goes: the removal, who has applied it, who has not. A terminal gets
 * one line that counts; anything else a line for each member.
 */
export class RemovalReport {
  readonly #output: Output;
  readonly #subject: RemovalSubject;
  #connected = 0;
  #acknowledged = 0;

  constructor(output: Output, subject: RemovalSubject) {
    this.#output = output;
    this.#subject = subject;
  }

  add(progress: RemovalProgress): void {
    if (progress.type === 'removed') this.#removed(progress);
    else if (progress.type === 'acknowledged') this.#applied(progress);
    else this.#finished(progress);
  }

  #removed(step: Step<'removed'>): void {
    const { epoch, afterMs, members, connected, alsoIn, tunnelIsDown } = step;
    const { kind, name, subset, acting } = this.#subject;
    this.#connected = connected;
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
        ? 'no other member has to apply it\n'
        : `${verdict}: ${acknowledged} in ${formatDuration(afterMs)}\n`,
    );
    if (late.length > 0) this.#output.write(`  connected, and still to do it: ${list(late)}\n`);
    if (away.length > 0) {
      this.#output.write(`  not connected, will when they come back: ${list(away)}\n`);
    }
    const unnamed = pendingTotal - pending.length;
    if (unnamed > 0) this.#output.write(`  and ${unnamed} more\n`);
  }
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join(', ');
  return names.length > mostNames ? `${shown} and ${names.length - mostNames} more` : shown;
}
