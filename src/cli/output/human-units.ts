import { bytesPerDayOf } from '../../core/traffic-count.ts';

/** A length of time in its two greatest units: `450 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `6 d 3 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.max(0, Math.round(durationMs))} ms`;
  const seconds = Math.floor(durationMs / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return twoUnits(seconds, 60, ['min', 's']);
  if (seconds < 86_400) return twoUnits(Math.floor(seconds / 60), 60, ['h', 'min']);
  return twoUnits(Math.floor(seconds / 3_600), 24, ['d', 'h']);
}

function twoUnits(
  amount: number,
  ratio: number,
  [great, small]: readonly [string, string],
): string {
  const rest = amount % ratio;
  const whole = `${Math.floor(amount / ratio)} ${great}`;
  return rest === 0 ? whole : `${whole} ${rest} ${small}`;
}

/** A moment as seen from another: `12 s ago`, `in 5 h 59 min`. */
export function formatRelative(atMs: number, nowMs: number): string {
  return atMs <= nowMs
    ? `${formatDuration(nowMs - atMs)} ago`
    : `in ${formatDuration(atMs - nowMs)}`;
}

/** RFC 3339 in UTC, without fractions. */
export function formatTime(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `0 B`, `1.5 KiB`, `12 MiB`: at most three digits before the unit. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let index = 0;
  while (value >= 1_000 && index < sizes.length - 1) {
    value /= 1_024;
    index += 1;
  }
  const digits = index > 0 && value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} ${sizes[index] ?? 'B'}`;
}

/** What has gone between a member and its master, and what that is in 30 days, in GB of 10⁹ bytes as prices are. */
export function describeTraffic(
  traffic: { readonly bytes: number; readonly overMs: number } | undefined,
): string | undefined {
  if (!traffic) return undefined;
  const counted = `${formatBytes(traffic.bytes)} in ${formatDuration(traffic.overMs)}`;
  const perDay = bytesPerDayOf(traffic);
  if (perDay === undefined) return `${counted}; less than an hour says nothing`;
  return `${counted}, ${Number(((perDay * 30) / 1e9).toPrecision(3))} GB in 30 days`;
}

/** Of a WireGuard tunnel. @param ageMs undefined when there was none */
export function formatHandshakeAge(ageMs: number | undefined): string {
  return ageMs === undefined ? 'never' : `${formatDuration(ageMs)} ago`;
}
