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
  noteContact(contact: DirectContact): void {
    this.contact = contact;
    for (const peer of contact.peers) this.#held.set(peer, Number.POSITIVE_INFINITY);
  }

  noteIntroduced(peer: WireguardPublicKey, nowMs: number): void {
    if (!this.#held.has(peer)) this.#held.set(peer, nowMs + introducedLifeMs);
  }

  notePaths({ paths }: PathsMessage, nowMs: number): void {
    this.paths = paths;
    const reported = new Set(paths.map(({ peer }) => peer));
    for (const [peer, untilMs] of this.#held) {
      const isFresh = Number.isFinite(untilMs) && untilMs > nowMs;
      if (!reported.has(peer) && !isFresh) this.#held.delete(peer);
    }
    for (const peer of reported) this.#held.set(peer, Number.POSITIVE_INFINITY);
    for (const resolve of this.#awaiting) resolve(paths);
    this.#awaiting.clear();
  }

  /** Resolves with the next report; may never. */
  nextReport(): Promise<readonly DirectPath[]> {
    return new Promise((resolve) => this.#awaiting.add(resolve));
  }
}
