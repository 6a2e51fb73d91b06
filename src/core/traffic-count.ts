/** What has been counted of a counter that begins anew now and then. */
export interface TrafficCount {
  readonly bytes: number;
  /** Monotonic: since when. */
  readonly sinceMs: number;
  /** The counter as it was seen last. */
  readonly counter: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** What is older counts half: a figure is of the last month or two. */
const windowMs = 30 * dayMs;
/** Of less time nothing is concluded. */
const leastMs = hourMs;

/** What was before is not counted, since nobody knows of which time it is. */
export function beginCount(counter: number, nowMs: number): TrafficCount {
  return { bytes: 0, sinceMs: nowMs, counter };
}

/** The counter is seen again. One that is less than before began anew, with all that it has. */
export function addToCount(count: TrafficCount, counter: number, nowMs: number): TrafficCount {
  const added = counter >= count.counter ? counter - count.counter : counter;
  const bytes = count.bytes + added;
  const overMs = nowMs - count.sinceMs;
  if (overMs <= 2 * windowMs) return { bytes, sinceMs: count.sinceMs, counter };
  return { bytes: bytes / 2, sinceMs: nowMs - overMs / 2, counter };
}

/** At the pace of what was counted; undefined when that is too little time to say. */
export function bytesPerDayOf({
  bytes,
  overMs,
}: {
  readonly bytes: number;
  readonly overMs: number;
}): number | undefined {
  return overMs < leastMs ? undefined : (bytes / overMs) * dayMs;
}
