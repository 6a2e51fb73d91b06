import { maxDirectPeers } from '../../api/direct-messages.ts';
import type { PlannedPeer } from '../../core/direct-plan.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { DirectPeer } from './direct-peer.ts';
import type { TrustedPeer } from './introduction-check.ts';
import type { RememberedPeer } from './remembered-peers.ts';

/** Everybody to whom there is a direct path, or may be, or was one lately; the earliest first. */
export class PeerTable {
  readonly #peers = new Map<WireguardPublicKey, DirectPeer>();

  get size(): number {
    return this.#peers.size;
  }

  get all(): readonly DirectPeer[] {
    return [...this.#peers.values()];
  }

  get(key: WireguardPublicKey): DirectPeer | undefined {
    return this.#peers.get(key);
  }

  add(peer: DirectPeer): void {
    this.#peers.set(peer.publicKey, peer);
  }

  delete(key: WireguardPublicKey): void {
    this.#peers.delete(key);
  }

  clear(): void {
    this.#peers.clear();
  }

  /** Those that the host or the disk has, whatever for. */
  get held(): readonly DirectPeer[] {
    return this.all.filter(({ phase, remembered }) => phase !== 'failed' || remembered);
  }

  /** Whose addresses nobody else may have. One that died gives way to whoever has them now. */
  get holders(): readonly TrustedPeer[] {
    return this.all.filter((peer) => !isSpent(peer)).map(({ trusted }) => trusted);
  }

  get planned(): readonly PlannedPeer[] {
    return this.all.flatMap(({ planned }) => planned ?? []);
  }

  get remembered(): readonly RememberedPeer[] {
    return this.all.flatMap(({ remembered }) => remembered ?? []);
  }

  /** Whether any needs to be looked after tick by tick. */
  get isBusy(): boolean {
    return this.all.some((peer) => !isSpent(peer));
  }

  /** Whose link-local address it is. */
  at(linkLocal: Address): DirectPeer | undefined {
    return this.all.find((peer) => peer.linkLocal === linkLocal);
  }

  /** Those that died or failed go first. @returns whether one more peer may be held */
  makeRoomFor({ publicKey, ipv4, ipv6 }: TrustedPeer): boolean {
    const spent = this.all.filter(isSpent);
    for (const peer of spent) {
      const { trusted } = peer;
      if (peer.publicKey === publicKey) continue;
      if (trusted.ipv4 === ipv4 || trusted.ipv6 === ipv6) peer.remove('another has its address');
    }
    if (this.#peers.has(publicKey)) return true;
    const oldest = spent.find(({ phase }) => phase !== 'gone');
    if (this.size >= maxDirectPeers) oldest?.remove('others need its place');
    return this.size < maxDirectPeers;
  }
}

/** Nothing goes by it, and nothing is tried. */
function isSpent({ phase }: DirectPeer): boolean {
  return phase === 'dormant' || phase === 'failed';
}
