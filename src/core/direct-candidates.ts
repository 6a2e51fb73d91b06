import { formatSocketAddress } from '../model/endpoint.ts';
import type { Address } from '../model/prefix.ts';

/** Where the direct interface of a member may be reached. */
export interface Reachability {
  /** Where the master saw its packets come from: numeric `address:port`; absent when it saw none. */
  readonly observed?: string | undefined;
  /** Of the member's own network interfaces, as it says. */
  readonly addresses: readonly Address[];
  /** UDP, on these. */
  readonly port: number;
}

/**
 * Where one member should look for another, the best first: what the master saw, then what the other
 * says of itself. Behind one public address it is the other way round, because few NATs send back
 * what comes from inside (RFC 4787, hairpinning).
 * @param limit how many at most
 */
export function candidatesOf(
  other: Reachability,
  seeker: Pick<Reachability, 'observed'>,
  limit: number,
): readonly string[] {
  const local = other.addresses.map((address) => formatSocketAddress(address, other.port));
  const observed = other.observed === undefined ? [] : [other.observed];
  const isNear =
    other.observed !== undefined &&
    seeker.observed !== undefined &&
    hostPartOf(other.observed) === hostPartOf(seeker.observed);
  const inOrder = isNear ? [...local, ...observed] : [...observed, ...local];
  return [...new Set(inOrder)].slice(0, limit);
}

function hostPartOf(candidate: string): string {
  return candidate.slice(0, candidate.lastIndexOf(':'));
}
