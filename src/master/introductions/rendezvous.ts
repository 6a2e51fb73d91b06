import type { PeerState } from '../../model/host-state.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Epoch, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

interface Guest {
  /** Whether a member still is one is the roll's to say: who is in none any more has no peer. */
  readonly member: MemberRecord;
  untilMs: number;
  peer?: { readonly epoch: Epoch; readonly state: PeerState };
}

/** A conversation that needs another introduction finds its members here still. */
const stayMs = 60_000;

/**
 * Members that show this master where their direct interfaces are reached: each is a WireGuard peer
 * that may send nothing, so that its handshake alone says who it is and where it comes from.
 */
export class Rendezvous {
  readonly #self: WireguardPublicKey;
  readonly #guests = new Map<WireguardPublicKey, Guest>();

  constructor(self: WireguardPublicKey) {
    this.#self = self;
  }

  get size(): number {
    return this.#guests.size;
  }

  /** Keeps a place for the member for a minute. @returns whether it had none */
  invite(member: MemberRecord, nowMs: number): boolean {
    const key = member.keys.acting;
    const guest = this.#guests.get(key);
    const untilMs = nowMs + stayMs;
    if (guest) guest.untilMs = untilMs;
    else this.#guests.set(key, { member, untilMs });
    return !guest;
  }

  /** @returns whether anybody had to go */
  clear(nowMs: number): boolean {
    const before = this.#guests.size;
    for (const [key, { untilMs }] of this.#guests) {
      if (untilMs <= nowMs) this.#guests.delete(key);
    }
    return this.#guests.size < before;
  }

  /**
   * A peer that has not changed is the same object as before.
   * @param keyOf the subset's newest key; undefined when the member is in it no more
   */
  peers(keyOf: (member: MemberRecord) => StoredGroupKey | undefined): readonly PeerState[] {
    return [...this.#guests.values()].flatMap((guest) => {
      const key = keyOf(guest.member);
      return key ? [this.#peerOf(guest, key)] : [];
    });
  }

  #peerOf(guest: Guest, { groupKey, epoch }: StoredGroupKey): PeerState {
    if (guest.peer?.epoch === epoch) return guest.peer.state;
    const publicKey = guest.member.keys.acting;
    const presharedKey = derivePresharedKey({
      ...{ groupKey, epoch },
      publicKeys: [publicKey, this.#self],
    });
    const state: PeerState = { publicKey, presharedKey, allowedIps: [] };
    guest.peer = { epoch, state };
    return state;
  }
}
