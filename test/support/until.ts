import { setTimeout as delay } from 'node:timers/promises';

/** Far beyond what anything takes on a busy machine; reached only by what never happens. */
const defaultDeadlineMs = 10_000;
const pollMs = 5;

/**
 * Waits until the condition holds and returns what it gave.
 * @param deadlineMs ten seconds unless said
 * @throws after the deadline
 */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = defaultDeadlineMs,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(pollMs);
  }
}
