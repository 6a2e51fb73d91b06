import {
  type DirectContact,
  type DirectPath,
  maxDirectPeers,
  maxHeldPeers,
  maxSealedPeers,
  type PathsMessage,
} from '../../api/direct-messages.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';

/** A member that was introduced to somebody says within this time that it holds the other one, or never. */
const introducedLifeMs = 60_000;

/** What a session knows of its member's direct paths. */
export class DirectSide {
  /** How the member's direct interface is reached; absent of a member that takes no direct paths. */
  contact: DirectContact | undefined;
  /** As the member said last. */
  paths: readonly DirectPath[] = [];
  /** Whom the member holds as far as is known, or was introduced to for a direct path: until when that is believed. */
  readonly #held = new Map<WireguardPublicKey, number>();
  /** Whom it was introduced to for a sealed tunnel and has not named yet: the same. Any master may ask for that. */
  readonly #sealed = new Map<WireguardPublicKey, number>();
  readonly #awaiting = new Set<(paths: readonly DirectPath[]) => void>();

  /** Whether the member may be introduced to one more for a direct path: its sealed tunnels take no place there. */
  get hasRoom(): boolean {
    const hasPlaces = this.paths.length < maxDirectPeers && this.#held.size < maxHeldPeers;
    return this.contact !== undefined && hasPlaces;
  }

  holds(peer: WireguardPublicKey): boolean {
    return this.#held.has(peer) || this.#sealed.has(peer);
  }

  /** The member said how it is reached and whom it holds. */
  noteContact(contact: DirectContact, nowMs: number): void {
    this.contact = contact;
    this.#noteHeld(contact.peers, nowMs);
  }

  noteIntroduced(peer: WireguardPublicKey, nowMs: number): void {
    if (!this.#held.has(peer)) this.#held.set(peer, nowMs + introducedLifeMs);
  }

  noteSealed(peer: WireguardPublicKey, nowMs: number): void {
    if (this.#held.has(peer)) return;
    if (this.#sealed.size >= maxSealedPeers) forgetUntil(this.#sealed, nowMs);
    this.#sealed.set(peer, nowMs + introducedLifeMs);
  }

  notePaths({ paths, held }: PathsMessage, nowMs: number): void {
    this.paths = paths;
    this.#noteHeld(held, nowMs);
    for (const resolve of this.#awaiting) resolve(paths);
    this.#awaiting.clear();
  }

  /** Those, and whoever it was introduced to a moment ago, of whom it may not have heard yet. */
  #noteHeld(peers: readonly WireguardPublicKey[], nowMs: number): void {
    for (const [peer, untilMs] of this.#held) {
      if (!Number.isFinite(untilMs)) this.#held.delete(peer);
    }
    forgetUntil(this.#held, nowMs);
    forgetUntil(this.#sealed, nowMs);
    for (const peer of peers) {
      this.#held.set(peer, Number.POSITIVE_INFINITY);
      this.#sealed.delete(peer);
    }
  }

  /** Resolves with the next report; may never. */
  nextReport(): Promise<readonly DirectPath[]> {
    return new Promise((resolve) => this.#awaiting.add(resolve));
  }
}

function forgetUntil(peers: Map<WireguardPublicKey, number>, nowMs: number): void {
  for (const [peer, untilMs] of peers) if (untilMs <= nowMs) peers.delete(peer);
}
