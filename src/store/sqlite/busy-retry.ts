import { systemClock } from '../../runtime/clock.ts';
import { isBusy } from './sqlite-error.ts';

/**
 * Between attempts. SQLite would wait inside the call and stop the event loop. Whoever holds the
 * lock is done within some milliseconds and leaves gaps of `courtesyPauseMs`: two attempts fit into
 * one gap. The delays do not grow, because that would favour those who came last.
 */
const minDelayMs = 0.5;
const maxDelayMs = 1.5;

export interface BusyRetryOptions {
  /** How long to try in all. */
  readonly timeoutMs: number;
}

/**
 * Runs the attempt until no other connection is in its way. The first time is in the same tick.
 * @throws what the attempt throws; the last "busy" error when the time is over; the signal's reason
 */
export async function retryWhileBusy<T>(
  attempt: () => T,
  options: BusyRetryOptions,
  signal?: AbortSignal,
): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadlineMs) throw error;
    }
    await systemClock.sleep(minDelayMs + (maxDelayMs - minDelayMs) * Math.random(), signal);
  }
}
