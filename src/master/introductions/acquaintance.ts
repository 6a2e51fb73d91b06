/** How far two members that talk through this master are with a direct path. */
export interface Acquaintance {
  /**
   * - `meeting`: both were asked to the rendezvous.
   * - `introduced`: both know where the other one is, as far as this master does.
   */
  readonly phase: 'meeting' | 'introduced';
  readonly sinceMs: number;
  /** How often they were asked so far, this time included. */
  readonly attempts: number;
  /** When a packet between them was last known to come by. */
  readonly seenMs: number;
}

/** The kernel remembers a packet for five seconds; who is not seen for longer has gone elsewhere. */
const goneMs = 8_000;
/** A handshake with the rendezvous takes a round trip, or two when a packet is lost. */
const longestMeetingMs = 2_000;
const firstRetryMs = 30_000;
const longestRetryMs = 600_000;
const forgottenMs = 1_200_000;

/**
 * A packet between the two came by, of which the kernel tells for some seconds after.
 * @returns `begin` when they should meet, now or once more
 */
export function sawThem(
  before: Acquaintance | undefined,
  nowMs: number,
): { readonly begin: boolean; readonly attempts: number } {
  if (!before || nowMs - before.seenMs > goneMs) return { begin: true, attempts: 1 };
  const isDue = before.phase === 'introduced' && nowMs >= before.sinceMs + retryMs(before.attempts);
  return { begin: isDue, attempts: isDue ? before.attempts + 1 : before.attempts };
}

/** Whether they are introduced with what is known by now, rather than waited for. */
export function hasWaitedEnough({ sinceMs }: Acquaintance, nowMs: number): boolean {
  return nowMs - sinceMs >= longestMeetingMs;
}

export function isForgotten({ seenMs }: Acquaintance, nowMs: number): boolean {
  return nowMs - seenMs > forgottenMs;
}

/** Two that cannot reach each other directly are bothered less and less. */
function retryMs(attempts: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** (attempts - 1));
}
