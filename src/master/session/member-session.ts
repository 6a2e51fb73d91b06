import type { WebSocket } from 'ws';
import type { EndReason, MasterMessage, View } from '../../api/messages.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { IdentityKey } from '../../model/records.ts';
import type { Epoch } from '../../model/wireguard-key.ts';
import { DirectSide } from './direct-side.ts';

/** A member that lets this much pile up is cut off; it catches up by state when it comes back. */
const maxBufferedBytes = 1024 * 1024;

export interface SessionMember {
  readonly subset: SubsetName;
  readonly name: MemberName;
  readonly identityKey: IdentityKey;
}

/** The session of one member of the roll. `SessionHub` owns it; `SessionListener` feeds it. */
export class MemberSession {
  readonly member: SessionMember;
  readonly sinceMs: number;
  readonly remote: string;
  /** The newest view that was sent. */
  sentRevision = 0;
  sentEpoch: Epoch | 0 = 0;
  /** The newest view that the member says it has applied, on disk and in WireGuard, and its key. */
  appliedRevision = 0;
  appliedEpoch: Epoch | 0 = 0;
  /** Cleared by each heartbeat, set by whatever the member sends. */
  isAlive = true;
  readonly direct = new DirectSide();
  /** The newest certificate of the member, and those that vouch for it, as far as is known; who gets it has to check it. */
  readonly chain: () => readonly string[];
  readonly #socket: WebSocket;
  #cutReason: string | undefined;

  constructor(
    member: SessionMember,
    socket: WebSocket,
    options: {
      readonly sinceMs: number;
      readonly remote: string;
      readonly chain: () => readonly string[];
    },
  ) {
    this.member = member;
    this.#socket = socket;
    this.sinceMs = options.sinceMs;
    this.remote = options.remote;
    this.chain = options.chain;
  }

  noteSent({ revision, key }: View): void {
    this.sentRevision = revision;
    this.sentEpoch = key.epoch;
  }

  send(message: MasterMessage): void {
    this.sendText(JSON.stringify(message));
  }

  /** For a message that many get: it is written once. */
  sendText(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > maxBufferedBytes) {
      this.cut('too slow');
      return;
    }
    this.#socket.send(text);
  }

  ping(): void {
    this.isAlive = false;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  /** The membership is over. */
  end(reason: EndReason): void {
    this.send({ type: 'ended', reason });
    this.#socket.close(1000, reason);
  }

  /** Without a word: the other end is not listening. */
  cut(reason: string): void {
    this.#cutReason = reason;
    this.#socket.terminate();
  }

  /** Politely, with the word that the member may come back at once. */
  closeForRestart(): void {
    this.#socket.close(1012, 'the master restarts');
  }

  /** Why this end cut the session, if it did. */
  get cutReason(): string | undefined {
    return this.#cutReason;
  }
}
