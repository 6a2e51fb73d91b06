/** The smallest sample that at least this share of the samples does not exceed (nearest rank). */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  const value = sorted[rank - 1];
  if (value === undefined) throw new RangeError('there are no samples');
  return value;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const upper = percentile(sorted, 50);
  if (sorted.length % 2 === 1) return upper;
  return (upper + (sorted[sorted.length / 2] ?? upper)) / 2;
}

/** "15 samples, 210 to 480", for the detail of a figure. */
export function describeSpread(samples: readonly number[], digits = 0): string {
  const least = Math.min(...samples).toFixed(digits);
  const most = Math.max(...samples).toFixed(digits);
  return `${samples.length} samples, ${least} to ${most}`;
}
