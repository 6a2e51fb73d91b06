import { setTimeout as delay } from 'node:timers/promises';
import type { Crowd } from '../crowd/crowd.ts';

/** What the members of some crowds have been through since they joined, all together. */
export interface Whereabouts {
  readonly lost: number;
  readonly found: number;
  /** By the machine's monotonic clock. */
  readonly lastFoundMs: number;
}

/** Rare, because each question takes the crowds' time. */
const pollMs = 250;

async function whereaboutsOf(crowds: readonly Crowd[]): Promise<Whereabouts> {
  const reports = await Promise.all(crowds.map((crowd) => crowd.presence()));
  return {
    lost: reports.reduce((sum, { lost }) => sum + lost, 0),
    found: reports.reduce((sum, { found }) => sum + found, 0),
    lastFoundMs: Math.max(...reports.map(({ lastFoundMs }) => lastFoundMs)),
  };
}

/**
 * Waits until members have found another session so often in all, since they joined.
 * @throws Error after the time, with how many have
 */
export async function untilFound(
  crowds: readonly Crowd[],
  times: number,
  timeoutMs: number,
): Promise<Whereabouts> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const now = await whereaboutsOf(crowds);
    if (now.found >= times) return now;
    if (performance.now() > deadlineMs)
      throw new Error(`${now.found} of ${times} have found a master in ${timeoutMs / 1_000} s`);
    await delay(pollMs);
  }
}
