import type { WebSocket } from 'ws';
import { maxDirectPeers } from '../../api/direct-messages.ts';
import type { EndReason, MasterMessage, View } from '../../api/messages.ts';
import { isSpreadStale } from '../../core/failover-spread.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import type { Epoch, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { MeasuredSide } from '../measuring/measured-side.ts';
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
  /** The member takes `spread`. */
  takesSpread = false;
  /** Cleared by each heartbeat, set by whatever the member sends. */
  isAlive = true;
  /** Whether the member knows what it is to be ordered to move. */
  takesMoves = false;
  /** The invite of the order that it was told of. */
  toldMove: string | undefined;
  readonly direct = new DirectSide();
  readonly measured = new MeasuredSide();
  /** The newest certificate of the member, and those that vouch for it, as far as is known; who gets it has to check it. */
  readonly chain: () => readonly string[];
  readonly #socket: WebSocket;
  #toldSpreadMs: number | undefined;
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

  /** The member has been sent this view, whole or as a change, or has it already. */
  noteSent({ revision, key }: View): void {
    this.sentRevision = revision;
    this.sentEpoch = key.epoch;
  }

  /** The member has been sent a whole view with this spread. */
  noteSpread({ spreadMs }: Pick<View, 'spreadMs'>): void {
    this.#toldSpreadMs = spreadMs;
  }

  /** Tells a member that would spread too far from it. */
  tellSpread(spreadMs: number): void {
    if (!this.takesSpread || !isSpreadStale(this.#toldSpreadMs, spreadMs)) return;
    this.send({ type: 'spread', spreadMs });
    this.#toldSpreadMs = spreadMs;
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

  /** These are members no more; in as many messages as it takes. */
  withdraw(keys: readonly WireguardPublicKey[]): void {
    for (let first = 0; first < keys.length; first += maxDirectPeers) {
      this.send({ type: 'withdraw', peers: keys.slice(first, first + maxDirectPeers) });
    }
  }

  /** Asks for a sign of life, which is to have come by the next call. @param nowMs monotonic */
  ping(nowMs: number): void {
    this.isAlive = false;
    this.probe(nowMs);
  }

  /** Only to see how long the answer takes. @param nowMs monotonic */
  probe(nowMs: number): void {
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.ping(this.measured.begin(nowMs));
    }
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
