import { maxSealedPeers } from '../../api/direct-messages.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { TrustedPeer } from '../direct/introduction-check.ts';
import type { SealedPeer } from './sealed-peer.ts';

/** The other ends of all sealed tunnels, by key and by address; the earliest first. */
export class SealedTable {
  readonly #peers = new Map<WireguardPublicKey, SealedPeer>();
  readonly #byAddress = new Map<Address, SealedPeer>();

  get all(): readonly SealedPeer[] {
    return [...this.#peers.values()];
  }

  get keys(): readonly WireguardPublicKey[] {
    return [...this.#peers.keys()];
  }

  has(key: WireguardPublicKey): boolean {
    return this.#peers.has(key);
  }

  get(key: WireguardPublicKey): SealedPeer | undefined {
    return this.#peers.get(key);
  }

  at(address: Address): SealedPeer | undefined {
    return this.#byAddress.get(address);
  }

  /**
   * Takes the peer in. Where there is no room, the earliest of those that have never answered makes
   * it, else the earliest that is not in use: nobody takes the place of a tunnel that carries packets.
   * @returns whether there was room, and who has made it
   */
  add(peer: SealedPeer, nowMs: number): { readonly isIn: boolean; readonly gone?: SealedPeer } {
    const isFull = !this.#peers.has(peer.publicKey) && this.#peers.size >= maxSealedPeers;
    const gone = isFull ? this.#leastNeeded(nowMs) : undefined;
    if (isFull && !gone) return { isIn: false };
    if (gone) this.delete(gone);
    this.#peers.set(peer.publicKey, peer);
    this.#file(peer, peer.trusted);
    return { isIn: true, ...(gone ? { gone } : {}) };
  }

  #leastNeeded(nowMs: number): SealedPeer | undefined {
    const { all } = this;
    return all.find(({ isProven }) => !isProven) ?? all.find((peer) => !peer.isInUse(nowMs));
  }

  /** The peer may have other addresses than before. @returns whether it has */
  refile(peer: SealedPeer, before: Pick<TrustedPeer, 'ipv4' | 'ipv6'>): boolean {
    const { ipv4, ipv6 } = peer.trusted;
    if (ipv4 === before.ipv4 && ipv6 === before.ipv6) return false;
    this.#unfile(peer, before);
    this.#file(peer, peer.trusted);
    return true;
  }

  delete(peer: SealedPeer): void {
    this.#peers.delete(peer.publicKey);
    this.#unfile(peer, peer.trusted);
  }

  clear(): void {
    this.#peers.clear();
    this.#byAddress.clear();
  }

  #file(peer: SealedPeer, { ipv4, ipv6 }: Pick<TrustedPeer, 'ipv4' | 'ipv6'>): void {
    for (const address of [ipv4, ipv6]) this.#byAddress.set(address, peer);
  }

  #unfile(peer: SealedPeer, { ipv4, ipv6 }: Pick<TrustedPeer, 'ipv4' | 'ipv6'>): void {
    for (const address of [ipv4, ipv6]) {
      if (this.#byAddress.get(address) === peer) this.#byAddress.delete(address);
    }
  }
}
