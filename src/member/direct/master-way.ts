import type { Clock } from '../../runtime/clock.ts';

export interface MasterWayDependencies {
  readonly clock: Clock;
  /** Whether the master whose tunnel traffic takes answers in it now. Never rejects, but when all ends. */
  readonly answers: () => Promise<boolean>;
}

/** An answer is asked for anew after this time, and believed for as long again: the tunnel's own watch would see a death no sooner. */
const askEveryMs = 1_000;
const believedMs = 3_000;

/** The way through a master, for whoever thinks of leaving a direct path: whether packets would get anywhere by it. */
export class MasterWay {
  readonly #dependencies: MasterWayDependencies;
  /** By the monotonic clock; of the last ask, and of the last that was answered. */
  #askedMs = -Infinity;
  #provenMs = -Infinity;
  #isAsking = false;

  constructor(dependencies: MasterWayDependencies) {
    this.#dependencies = dependencies;
  }

  /** Where it is not known, the master is asked: whoever asks again in a moment hears of it. */
  isProven(): boolean {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (!this.#isAsking && nowMs - this.#askedMs >= askEveryMs) void this.#ask(nowMs);
    return nowMs - this.#provenMs <= believedMs;
  }

  async #ask(nowMs: number): Promise<void> {
    this.#isAsking = true;
    this.#askedMs = nowMs;
    const isAnswered = await this.#dependencies.answers().catch(() => false);
    this.#isAsking = false;
    this.#provenMs = isAnswered ? nowMs : -Infinity;
  }
}
