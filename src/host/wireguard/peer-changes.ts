import type { PeerState } from '../../model/host-state.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { AdoptedPeer } from './device-dump.ts';

export interface PeerChange {
  /** To be made so, whole. */
  readonly peer: PeerState;
  /** False where the endpoint must be left as it is. */
  readonly setEndpoint: boolean;
  /** Whether nothing but the preshared key or the keepalive of a known peer is to be changed. */
  readonly isRekeyed: boolean;
}

export interface PeerChanges {
  readonly removed: readonly WireguardPublicKey[];
  readonly changed: readonly PeerChange[];
}

/**
 * What has to be done so that `before` becomes `wanted`. A peer that stays is never removed in
 * between, so its session lives; its endpoint is only touched when the wanted one is another than
 * before, so that a peer that has roamed stays where it was found. Of several peers with one public
 * key the last one counts, in both lists.
 *
 * Objects that are the same at both ends of the lists cost next to nothing: one more peer among ten
 * thousand takes microseconds. What is in between is compared by public key; a newcomer whose key an
 * earlier peer has as well is told whole.
 */
export function planPeerChanges(
  before: readonly AdoptedPeer[],
  wanted: readonly PeerState[],
): PeerChanges {
  const start = sameAtStart(before, wanted);
  const end = sameAtEnd(before, wanted, start);
  const old = byKey(before.slice(start, before.length - end));
  const next = byKey(wanted.slice(start, wanted.length - end));
  // A later peer of the same key counts instead, and it stays.
  for (const { publicKey } of wanted.slice(wanted.length - end)) {
    old.delete(publicKey);
    next.delete(publicKey);
  }
  const leaving = new Set([...old.keys()].filter((key) => !next.has(key)));
  if (leaving.size > 0) {
    // An earlier peer of the same key counts from now on.
    for (const peer of wanted.slice(0, start)) {
      if (leaving.has(peer.publicKey)) next.set(peer.publicKey, peer);
    }
  }
  return {
    removed: [...leaving].filter((key) => !next.has(key)),
    changed: [...next.values()].flatMap((peer) => planChange(old.get(peer.publicKey), peer)),
  };
}

function sameAtStart(before: readonly AdoptedPeer[], wanted: readonly PeerState[]): number {
  const most = Math.min(before.length, wanted.length);
  let count = 0;
  while (count < most && before[count] === wanted[count]) count += 1;
  return count;
}

/** @param start how many at the start are not to be counted once more */
function sameAtEnd(
  before: readonly AdoptedPeer[],
  wanted: readonly PeerState[],
  start: number,
): number {
  const most = Math.min(before.length, wanted.length) - start;
  let count = 0;
  while (count < most && before[before.length - 1 - count] === wanted[wanted.length - 1 - count]) {
    count += 1;
  }
  return count;
}

function byKey<P extends AdoptedPeer>(peers: readonly P[]): Map<WireguardPublicKey, P> {
  return new Map(peers.map((peer) => [peer.publicKey, peer]));
}

/** @returns at most one */
function planChange(old: AdoptedPeer | undefined, peer: PeerState): readonly PeerChange[] {
  if (old !== undefined && isSame(old, peer)) return [];
  const setEndpoint = peer.endpoint !== undefined && peer.endpoint !== old?.endpoint;
  const isRekeyed =
    old !== undefined && !setEndpoint && haveSameElements(old.allowedIps, peer.allowedIps);
  return [{ peer, setEndpoint, isRekeyed }];
}

/** An endpoint that is no longer wanted is not taken away: WireGuard has no way to forget one. */
function isSame(old: AdoptedPeer, wanted: PeerState): boolean {
  return (
    old === wanted ||
    (old.presharedKey === wanted.presharedKey &&
      old.keepaliveSeconds === wanted.keepaliveSeconds &&
      (wanted.endpoint === undefined || old.endpoint === wanted.endpoint) &&
      haveSameElements(old.allowedIps, wanted.allowedIps))
  );
}

function haveSameElements(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  if (one.every((element, index) => element === other[index])) return true;
  const sorted = [...one].sort();
  return [...other].sort().every((element, index) => element === sorted[index]);
}
