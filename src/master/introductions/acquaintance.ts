/** How far two members that talk through this master are with a direct path. */
export interface Acquaintance {
  /**
   * - `meeting`: both were asked to the rendezvous.
   * - `introduced`: both know where the other one is, as far as this master does.
   */
  readonly phase: 'meeting' | 'introduced';
  readonly sinceMs: number;
  /** When they were asked to the rendezvous. */
  readonly askedMs: number;
  /** How often they were asked so far, this time included. */
  readonly attempts: number;
  /** When a packet between them was last known to come by. */
  readonly seenMs: number;
}

/** The kernel remembers a packet for five seconds; who is not seen for longer has gone elsewhere. */
const goneMs = 8_000;
const firstRetryMs = 30_000;
const longestRetryMs = 600_000;
const forgottenMs = 1_200_000;

export interface Sight {
  /** Whether they should meet, now or once more. */
  readonly begin: boolean;
  readonly attempts: number;
  /** They were asked in an earlier session of one of them: it may have moved, and may not have heard. */
  readonly isReconnected: boolean;
}

/** Whether a packet between them has come by lately. */
export function isTalking({ seenMs }: Pick<Acquaintance, 'seenMs'>, nowMs: number): boolean {
  return nowMs - seenMs <= goneMs;
}

/**
 * A packet between the two came by, of which the kernel tells for some seconds after.
 * @param sessionsSinceMs when the younger one of the sessions that are here was begun
 */
export function sawThem(
  before: Acquaintance | undefined,
  sessionsSinceMs: number,
  nowMs: number,
): Sight {
  if (!before || !isTalking(before, nowMs)) {
    return { begin: true, attempts: 1, isReconnected: false };
  }
  const { phase, sinceMs, askedMs, attempts } = before;
  const isIntroduced = phase === 'introduced';
  const isReconnected = isIntroduced && askedMs < sessionsSinceMs;
  if (isReconnected) return { begin: true, attempts: 1, isReconnected };
  const isDue = isIntroduced && nowMs >= sinceMs + retryMs(attempts);
  return { begin: isDue, attempts: isDue ? attempts + 1 : attempts, isReconnected };
}

export function isForgotten({ seenMs }: Acquaintance, nowMs: number): boolean {
  return nowMs - seenMs > forgottenMs;
}

/** Two that cannot reach each other directly are bothered less and less. */
function retryMs(attempts: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** (attempts - 1));
}
