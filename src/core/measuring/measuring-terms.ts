const minuteMs = 60_000;

/** How often a member measures, and what it may cost. */
export interface MeasuringTerms {
  /** From one round to the next, where there are few masters. */
  readonly intervalMs: number;
  /** Of all probes, sent and received, headers included. */
  readonly bytesPerDay: number;
}

/** Where nobody says anything else. */
export const usualTerms: MeasuringTerms = { intervalMs: 15 * minuteMs, bytesPerDay: 2_000_000 };

/**
 * What a member does at the most, whatever it is told: masters are told so by operators, and may be
 * nobody's friend. So many bytes are some 2 kbit/s.
 */
export const termsLimits = {
  leastIntervalMs: 10_000,
  mostIntervalMs: 24 * 60 * minuteMs,
  mostBytesPerDay: 20_000_000,
} as const;

/** What a member makes of the terms that a master tells it: the nearest that are within the limits. */
export function acceptTerms({ intervalMs, bytesPerDay }: MeasuringTerms): MeasuringTerms {
  const { leastIntervalMs, mostIntervalMs, mostBytesPerDay } = termsLimits;
  return {
    intervalMs: Math.min(mostIntervalMs, Math.max(leastIntervalMs, intervalMs)),
    bytesPerDay: Math.min(mostBytesPerDay, Math.max(0, bytesPerDay)),
  };
}

export function areSameTerms(one: MeasuringTerms, other: MeasuringTerms): boolean {
  return one.intervalMs === other.intervalMs && one.bytesPerDay === other.bytesPerDay;
}
