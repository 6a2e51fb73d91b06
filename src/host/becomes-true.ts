import type { Clock } from '../runtime/clock.ts';

const pollMs = 5;

/** Asks until the answer is yes, for as long as that, and says whether it was. */
export async function becomesTrue(
  isTrue: () => Promise<boolean>,
  clock: Clock,
  timeoutMs: number,
): Promise<boolean> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (!(await isTrue())) {
    if (clock.monotonicMs() >= endMs) return false;
    await clock.sleep(pollMs);
  }
  return true;
}
