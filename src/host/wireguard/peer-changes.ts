import type { PeerState } from '../../model/host-state.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { AdoptedPeer } from './device-dump.ts';

/** Peers by public key, as they are configured. */
export type ConfiguredPeers = ReadonlyMap<WireguardPublicKey, AdoptedPeer>;

export interface PeerChanges {
  readonly removed: readonly WireguardPublicKey[];
  /** To be made so, whole. `setEndpoint` is false where the endpoint must be left as it is. */
  readonly changed: readonly { readonly peer: PeerState; readonly setEndpoint: boolean }[];
}

/**
 * What has to be done so that `before` becomes `wanted`. A peer that stays is never removed in
 * between, so its session lives; its endpoint is only touched when the wanted one is another than
 * before, so that a peer that has roamed stays where it was found.
 *
 * Ten thousand peers without a change take some milliseconds, and less when the objects are the same.
 */
export function planPeerChanges(
  before: ConfiguredPeers,
  wanted: ReadonlyMap<WireguardPublicKey, PeerState>,
): PeerChanges {
  const changed: PeerChanges['changed'][number][] = [];
  let kept = 0;
  for (const peer of wanted.values()) {
    const old = before.get(peer.publicKey);
    if (old !== undefined) kept += 1;
    if (old !== undefined && isSame(old, peer)) continue;
    const setEndpoint = peer.endpoint !== undefined && peer.endpoint !== old?.endpoint;
    changed.push({ peer, setEndpoint });
  }
  // Mostly nobody leaves, and then nobody needs to be looked for.
  const removed = kept === before.size ? [] : [...before.keys()].filter((key) => !wanted.has(key));
  return { removed, changed };
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

/** Whether nothing but the preshared key or the keepalive of a known peer is to be changed. */
export function isRekeyed(
  before: ConfiguredPeers,
  { peer, setEndpoint }: PeerChanges['changed'][number],
): boolean {
  const old = before.get(peer.publicKey);
  return old !== undefined && !setEndpoint && haveSameElements(old.allowedIps, peer.allowedIps);
}

function haveSameElements(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  if (one.every((element, index) => element === other[index])) return true;
  const sorted = [...one].sort();
  return [...other].sort().every((element, index) => element === sorted[index]);
}
