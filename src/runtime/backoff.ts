export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Delays between attempts: exponential with "full jitter", so that a thousand members that lost the
 * same master do not come back in the same instant (AWS Architecture Blog, "Exponential Backoff
 * And Jitter", 2015).
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #attempt = 0;

  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** The next delay in milliseconds: between `minMs` and the doubled bound, never above `maxMs`. */
  nextDelayMs(): number {
    const { minMs, maxMs } = this.#options;
    const boundMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return minMs + (boundMs - minMs) * this.#random();
  }

  /** To be called when an attempt has succeeded. */
  reset(): void {
    this.#attempt = 0;
  }
}
