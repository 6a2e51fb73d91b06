import type { Log } from '../../runtime/log.ts';
import { isBusy } from './sqlite-error.ts';

/** Half of the 100 ms within which a lease that is over must be gone; the other half is for the commit. */
const sweepIntervalMs = 50;

export interface LeaseSweeperDependencies {
  /** Whether anybody could notice: there are leases, or somebody watches. Called without waiting. */
  readonly isNeeded: () => boolean;
  readonly hasDue: () => boolean;
  /** Ends the leases whose time is over. */
  readonly endDue: () => Promise<void>;
  readonly log: Log;
}

/**
 * Ends leases when their time is over, whoever granted them. Every process with the store open does
 * it, so that leases of the dead end too; the first one's commit leaves nothing for the others.
 *
 * Stopped: no timer; `start` starts it. Started: looks every `sweepIntervalMs`, and stops by itself
 * when it is not needed any more.
 */
export class LeaseSweeper implements Disposable {
  readonly #dependencies: LeaseSweeperDependencies;
  #timer: NodeJS.Timeout | undefined;
  #sweeping = false;

  constructor(dependencies: LeaseSweeperDependencies) {
    this.#dependencies = dependencies;
  }

  /** Harmless when it has been started. */
  start(): void {
    // A lease alone is no reason for a process to stay alive.
    this.#timer ??= setInterval(() => void this.#maybeSweep(), sweepIntervalMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #maybeSweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      if (this.#dependencies.hasDue()) await this.#dependencies.endDue();
      else if (!this.#dependencies.isNeeded()) this[Symbol.dispose]();
    } catch (error) {
      // Tried again at the next turn of the timer; reads and writes of the store fail with the reason.
      if (!isBusy(error)) this.#dependencies.log.warn({ err: error }, 'ended leases not removed');
    } finally {
      this.#sweeping = false;
    }
  }
}
