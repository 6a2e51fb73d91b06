/** Round trips of several requests, in the order in which they were sent. */
export interface RoundTrips {
  /** Milliseconds; undefined for a request that was not answered. The newest last. */
  readonly samples: readonly (number | undefined)[];
  /** RFC 3550's estimate over all answers so far; see `nextJitter`. */
  readonly jitterMs: number;
}

export interface RoundTripSummary {
  readonly sent: number;
  readonly lost: number;
  /** The median; absent when nothing was answered. */
  readonly latencyMs?: number;
  readonly jitterMs?: number;
}

export const noRoundTrips: RoundTrips = { samples: [], jitterMs: 0 };

/** Older samples say nothing of how things are now. Four rounds. */
const mostSamples = 32;

/** Takes one round in: requests that followed each other closely. */
export function addRound(
  { samples, jitterMs }: RoundTrips,
  round: readonly (number | undefined)[],
): RoundTrips {
  const answered = round.filter((sample) => sample !== undefined);
  const jitter = answered
    .slice(1)
    .reduce(
      (before, sample, index) => nextJitter(before, answered[index] ?? sample, sample),
      jitterMs,
    );
  return { samples: [...samples, ...round].slice(-mostSamples), jitterMs: jitter };
}

export function summarise({ samples, jitterMs }: RoundTrips): RoundTripSummary {
  const answered = samples.filter((sample) => sample !== undefined);
  const counts = { sent: samples.length, lost: samples.length - answered.length };
  const latencyMs = medianOf(answered);
  return latencyMs === undefined ? counts : { ...counts, latencyMs, jitterMs };
}

/** The middle of the values, or the mean of the two in the middle; undefined of none. */
export function medianOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/**
 * RFC 3550 §6.4.1: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16. D is the difference of two neighbours'
 * round trips, since the clocks of the two ends are not compared.
 */
export function nextJitter(jitterMs: number, previousMs: number, currentMs: number): number {
  return jitterMs + (Math.abs(currentMs - previousMs) - jitterMs) / 16;
}
