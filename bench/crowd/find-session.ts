import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../../src/runtime/backoff.ts';
import type { MasterTarget } from './crowd-target.ts';

/** What a member that has lost its session knows. */
export interface KnownMasters {
  readonly lost: MasterTarget;
  /** In the order in which the member uses them. */
  readonly masters: readonly MasterTarget[];
  /** Others than the lost one are asked after a random share of it; 0 when that one said farewell. */
  readonly spreadMs: number;
}

/** As in `src/member/membership-loop.ts`, which this repeats: members wait as real ones do. */
const reconnectBackoff = { minMs: 200, maxMs: 15_000 };

/**
 * Asks the masters in rounds until one serves the member.
 * @param isServedBy one attempt at one master
 * @returns false when it was stopped
 */
export async function findSession(
  { lost, masters, spreadMs }: KnownMasters,
  isServedBy: (master: MasterTarget) => Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  const backoff = new Backoff(reconnectBackoff);
  const turnMs = performance.now() + Math.random() * spreadMs;
  while (!signal.aborted) {
    await delay(backoff.nextDelayMs());
    for (const master of masters) {
      if (master.dnsName !== lost.dnsName) await delay(Math.max(0, turnMs - performance.now()));
      if (signal.aborted) break;
      if (await isServedBy(master)) return true;
    }
  }
  return false;
}
