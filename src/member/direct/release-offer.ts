import { directTickMs } from '../../core/direct-trial.ts';

/**
 * A direct path that one end would leave. It tells the other one, and both go on sending by it until
 * that agrees, which it does when a master answers it; so neither is left without any way.
 */
export class ReleaseOffer {
  readonly reason: string;
  /** Whether the path is left at the end of the offer although nobody has agreed. */
  readonly isBinding: boolean;
  #ticksLeft: number;

  /** @param lastsMs how long the other end has */
  constructor(reason: string, lastsMs: number, isBinding: boolean) {
    this.reason = reason;
    this.isBinding = isBinding;
    this.#ticksLeft = lastsMs / directTickMs;
  }

  /** @returns whether its time is over */
  tick(): boolean {
    this.#ticksLeft -= 1;
    return this.#ticksLeft <= 0;
  }
}
