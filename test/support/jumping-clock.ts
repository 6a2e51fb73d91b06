import { type Clock, systemClock } from '../../src/runtime/clock.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/**
 * The machine's clock, which can be moved ahead: for whole daemons, whose leases have to be renewed
 * while the test jumps over hours. `ManualClock` is for single parts, which may stand still.
 */
export class JumpingClock implements Clock {
  #aheadMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  nowMs(): number {
    return systemClock.nowMs() + this.#aheadMs;
  }

  /** Not moved: it is the wall clock that jumps, and leases go by this one. */
  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    const early = new AbortController();
    const sleeper = { dueMs: this.nowMs() + durationMs, wake: () => early.abort() };
    this.#sleepers.add(sleeper);
    const stop = signal ? AbortSignal.any([signal, early.signal]) : early.signal;
    try {
      await systemClock.sleep(durationMs, stop);
    } catch {
      // Woken by a jump, unless the caller's own signal says otherwise.
      signal?.throwIfAborted();
    } finally {
      this.#sleepers.delete(sleeper);
    }
  }

  /** Moves ahead and wakes, in the order of their times, those whose time has come. */
  jump(durationMs: number): void {
    this.#aheadMs += durationMs;
    const nowMs = this.nowMs();
    const due = [...this.#sleepers].filter(({ dueMs }) => dueMs <= nowMs);
    for (const { wake } of due.sort((a, b) => a.dueMs - b.dueMs)) wake();
  }
}
