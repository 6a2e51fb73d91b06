import { setTimeout as delay } from 'node:timers/promises';

/** How fine waits are; added to what they measure. */
const pollMs = 5;

/** Waits until the probe gives something. @throws Error naming what was waited for, after the time */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(pollMs);
  }
}
