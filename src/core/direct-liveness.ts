import { directTickMs } from './direct-trial.ts';

/*
 * Whether a direct path carries packets, and whether it is worth being kept. Counters of an interface
 * do not tell its peers apart, so every path is probed all the time, and a probe that is answered is
 * the only proof.
 */

/** How often the other end is asked. */
export const askEveryTicks = 200 / directTickMs;
/** With the time until the next probe, 0.8 s at the most: people notice a second. */
const deadAfterTicks = 600 / directTickMs;

/** How long ago the first probe went out since which nothing was answered: in ticks, so that a stopped process blames nobody. */
export function countUnanswered(
  before: number,
  seen: { readonly asked: boolean; readonly answered: boolean },
): number {
  if (seen.answered) return seen.asked ? 1 : 0;
  return before > 0 || seen.asked ? before + 1 : 0;
}

export function isDead(unansweredTicks: number): boolean {
  // The tick in which the probe goes out is the first.
  return unansweredTicks > deadAfterTicks;
}

/** A probe in WireGuard's counters: 8 bytes behind UDP and IPv6, padded to 64, and 32 of WireGuard's own. */
export const probeBytes = 96;
/** How long nothing may pass until a path is given up. */
const idleMs = 60_000;
/** Two handshakes and the probes that are on their way at either look; less than two full packets. */
const negligibleBytes = 2_048;

/** Since when no more than negligible has passed. */
export interface Quiet {
  readonly sinceMs: number;
  /** By then, in both directions, without probes. */
  readonly payloadBytes: number;
}

/** @param payloadBytes so far, in both directions, without probes; less than before for a peer that was put in anew */
export function watchTraffic(
  before: Quiet | undefined,
  payloadBytes: number,
  nowMs: number,
): { readonly quiet: Quiet; readonly isIdle: boolean } {
  const passed = before === undefined ? undefined : payloadBytes - before.payloadBytes;
  if (before === undefined || passed === undefined || Math.abs(passed) > negligibleBytes) {
    return { quiet: { sinceMs: nowMs, payloadBytes }, isIdle: false };
  }
  return { quiet: before, isIdle: nowMs - before.sinceMs >= idleMs };
}
