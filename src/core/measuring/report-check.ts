/**
 * Whether a member's latency to a master agrees with the round trips of its session, which that master
 * sees itself. A member can delay what it answers and so seem farther; it cannot answer a ping before
 * that has arrived, so it cannot seem nearer than it is.
 *
 * - `agrees`; `unknown`: too little was seen.
 * - `too-near`: it claims much less than any answer of it has ever taken here.
 * - `too-far`: it claims much more than its answers take.
 */
export type ReportVerdict = 'agrees' | 'too-near' | 'too-far' | 'unknown';

export interface ReportFacts {
  /** What the member reports of this master: median and RFC 3550's estimate. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** The session's latest round trips as this master measured them. */
  readonly seenMs: readonly number[];
}

/** The least of so many is near to what the way itself takes, even on a busy line. */
const fewestSeen = 3;
/** Timers, two event loops, TLS. */
const slackMs = 10;
/** Latency of two moments differs by itself. */
const slackShare = 0.25;
/** Of the jitter: what lies outside is no ordinary deviation. */
const slackJitters = 4;

export function checkReport({ latencyMs, jitterMs, seenMs }: ReportFacts): ReportVerdict {
  if (seenMs.length < fewestSeen) return 'unknown';
  const leastMs = Math.min(...seenMs);
  // Only what was seen here counts for a claim that is too small: a liar would report much jitter.
  if (latencyMs < leastMs * (1 - slackShare) - slackMs) return 'too-near';
  const mostMs = Math.max(...seenMs) * (1 + slackShare) + slackMs + slackJitters * jitterMs;
  return latencyMs > mostMs ? 'too-far' : 'agrees';
}

/** How a member's reports have agreed so far. */
export interface ReportTrust {
  /** Of the last report that could be compared. */
  readonly verdict: ReportVerdict;
  /** Reports in a row that did not agree. */
  readonly disagreements: number;
  /** Whether that is an alert: said once, until a report agrees again. */
  readonly isAlert: boolean;
}

export const noReports: ReportTrust = { verdict: 'unknown', disagreements: 0, isAlert: false };

/** The way may have changed between report and look; it does not do so twice in a row. */
const alertAfter = 2;

export function judgeReport(before: ReportTrust, verdict: ReportVerdict): ReportTrust {
  if (verdict === 'unknown') return before;
  if (verdict === 'agrees') return { verdict, disagreements: 0, isAlert: false };
  const disagreements = before.disagreements + 1;
  return { verdict, disagreements, isAlert: disagreements >= alertAfter };
}
