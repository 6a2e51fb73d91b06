import {
  type DirectContact,
  type DirectPath,
  maxDirectPeers,
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
  /** Whom the member holds as far as is known, or was introduced to: until when that is believed. */
  readonly #held = new Map<WireguardPublicKey, number>();
  readonly #awaiting = new Set<(paths: readonly DirectPath[]) => void>();

  /** Whether the member may be introduced to one more. */
  get hasRoom(): boolean {
    return this.contact !== undefined && this.#held.size < maxDirectPeers;
  }

  holds(peer: WireguardPublicKey): boolean {
    return this.#held.has(peer);
  }

  /** The member said how it is reached and whom it holds. */
  noteContact(contact: DirectContact, nowMs: number): void {
    this.contact = contact;
    this.#noteHeld(contact.peers, nowMs);
  }

  noteIntroduced(peer: WireguardPublicKey, nowMs: number): void {
    if (!this.#held.has(peer)) this.#held.set(peer, nowMs + introducedLifeMs);
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
      if (!Number.isFinite(untilMs) || untilMs <= nowMs) this.#held.delete(peer);
    }
    for (const peer of peers) this.#held.set(peer, Number.POSITIVE_INFINITY);
  }

  /** Resolves with the next report; may never. */
  nextReport(): Promise<readonly DirectPath[]> {
    return new Promise((resolve) => this.#awaiting.add(resolve));
  }
}
