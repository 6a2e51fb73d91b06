import { setTimeout as delay } from 'node:timers/promises';

/** Time as a parameter, so that tests can jump it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May step when the machine's clock is set. */
  nowMs(): number;
  /** Milliseconds that never step back; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after the time; rejects with the signal's reason when it is aborted first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** `setTimeout` fires at once beyond this. */
const longestTimerMs = 2_147_483_647;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    delay(Math.min(durationMs, longestTimerMs), undefined, signal ? { signal } : {}).catch(
      (error) => {
        throw signal?.aborted ? signal.reason : error;
      },
    ),
};
