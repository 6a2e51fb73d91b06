import { setTimeout as delay } from 'node:timers/promises';

/** Far beyond what anything takes on a busy machine; reached only by what never happens. */
const defaultDeadlineMs = 45_000;
const leastPauseMs = 5;
const longestPauseMs = 100;
/** Asking takes a fifth of the time at the most, or it would slow what is waited for. */
const pauseShare = 4;

/**
 * Waits until the condition holds and returns what it gave.
 * @param deadlineMs 45 seconds unless said
 * @throws after the deadline
 */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = defaultDeadlineMs,
): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    const askedMs = performance.now();
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    const nowMs = performance.now();
    if (nowMs - startedMs > deadlineMs) throw new Error(`never happened: ${what}`);
    const pauseMs = Math.max(leastPauseMs, pauseShare * (nowMs - askedMs));
    await delay(Math.min(pauseMs, longestPauseMs));
  }
}
