import type { Clock } from '../../src/runtime/clock.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is moved. It starts at the machine's time, which TLS goes by. */
export class ManualClock implements Clock {
  #nowMs = Date.now();
  readonly #sleepers = new Set<Sleeper>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { dueMs: this.#nowMs + durationMs, wake: resolve };
    const abort = () => {
      this.#sleepers.delete(sleeper);
      reject(signal?.reason);
    };
    if (signal?.aborted) abort();
    else this.#sleepers.add(sleeper);
    signal?.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal?.removeEventListener('abort', abort));
  }

  /** Whether anybody sleeps for exactly so long from now. */
  hasSleeper(durationMs: number): boolean {
    return [...this.#sleepers].some(({ dueMs }) => dueMs === this.#nowMs + durationMs);
  }

  /** Moves on and wakes, in the order of their times, those whose time has come. */
  advance(durationMs: number): void {
    this.#nowMs += durationMs;
    const due = [...this.#sleepers].filter(({ dueMs }) => dueMs <= this.#nowMs);
    for (const sleeper of due.sort((a, b) => a.dueMs - b.dueMs)) {
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
