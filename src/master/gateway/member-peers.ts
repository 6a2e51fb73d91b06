import type { PeerState } from '../../model/host-state.ts';
import { hostPrefix } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

type KnownPeers = Map<MemberRecord, { readonly epoch: number; readonly peer: PeerState }>;

/**
 * The WireGuard peers of one subset. A peer whose member and key have not changed is the same
 * object as before, so that a join among ten thousand members costs one derivation, not ten thousand.
 */
export class MemberPeers {
  readonly #self: WireguardPublicKey;
  #known: KnownPeers = new Map();

  constructor(self: WireguardPublicKey) {
    this.#self = self;
  }

  /** @param members the active ones; their records are compared by identity */
  update(members: Iterable<MemberRecord>, key: StoredGroupKey): readonly PeerState[] {
    const next: KnownPeers = new Map();
    const peers: PeerState[] = [];
    for (const member of members) {
      const before = this.#known.get(member);
      const entry =
        before?.epoch === key.epoch ? before : { epoch: key.epoch, peer: this.#peer(member, key) };
      next.set(member, entry);
      peers.push(entry.peer);
    }
    this.#known = next;
    return peers;
  }

  #peer(member: MemberRecord, { groupKey, epoch }: StoredGroupKey): PeerState {
    const publicKey = member.keys.acting;
    return {
      publicKey,
      presharedKey: derivePresharedKey({ groupKey, epoch, publicKeys: [publicKey, this.#self] }),
      // Nothing else may come from it: cryptokey routing is what keeps a member to its own addresses.
      allowedIps: [hostPrefix(member.ipv4), hostPrefix(member.ipv6)],
    };
  }
}
