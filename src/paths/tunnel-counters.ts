import { readFileSync } from 'node:fs';

/** Shows the interfaces of the network namespace that this process is in; `/sys` need not. */
const path = '/proc/self/net/dev';

/** Since the interface was made. */
export interface TunnelCounters {
  /** Packets that came out of it. */
  readonly receivedPackets: number;
  /** Packets that were given to it, also those that it could not send. */
  readonly sentPackets: number;
}

/** All interfaces by name. Some ten microseconds with a few interfaces, so it is read in place. */
export function readTunnelCounters(): ReadonlyMap<string, TunnelCounters> {
  return parseTunnelCounters(readFileSync(path, 'latin1'));
}

/**
 * Two lines of headings, then `NAME:` and sixteen numbers: bytes, packets, errs, drop, fifo, frame,
 * compressed and multicast received; bytes, packets, errs, drop, … sent.
 */
export function parseTunnelCounters(text: string): ReadonlyMap<string, TunnelCounters> {
  const counters = new Map<string, TunnelCounters>();
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    if (colon === -1) continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
      .map(Number);
    const [, receivedPackets = 0] = numbers;
    const [packets = 0, errors = 0, drops = 0] = numbers.slice(9);
    counters.set(line.slice(0, colon).trim(), {
      receivedPackets,
      sentPackets: packets + errors + drops,
    });
  }
  return counters;
}
