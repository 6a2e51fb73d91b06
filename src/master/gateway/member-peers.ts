import { memberLinkLocal, sealedAddress } from '../../core/addressing.ts';
import type { PeerState } from '../../model/host-state.ts';
import type { SubsetName } from '../../model/names.ts';
import { hostPrefix } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

/** One subset's share of the peers. */
export interface PeerSource {
  readonly subset: SubsetName;
  /** The active ones; their records are compared by identity. */
  readonly members: Iterable<MemberRecord>;
  readonly key: StoredGroupKey;
}

const noPeers: readonly PeerState[] = [];

/**
 * The WireGuard peers towards members. What has not changed is the same object as before, peer by
 * peer and the list as a whole: a join among ten thousand members costs one derivation, not ten
 * thousand, and the host sees at one look that a change of routes has left all peers as they were.
 */
export class MemberPeers {
  readonly #self: WireguardPublicKey;
  #subsets: ReadonlyMap<SubsetName, SubsetPeers> = new Map();
  #all = noPeers;

  constructor(self: WireguardPublicKey) {
    this.#self = self;
  }

  /** @param sources all of them */
  update(sources: readonly PeerSource[]): readonly PeerState[] {
    const before = this.#subsets;
    const next = new Map(
      sources.map(({ subset }) => [subset, before.get(subset) ?? new SubsetPeers(this.#self)]),
    );
    let isChanged = before.size !== next.size || [...next.keys()].some((name) => !before.has(name));
    for (const { subset, members, key } of sources) {
      const hasChanged = next.get(subset)?.update(members, key);
      isChanged ||= hasChanged === true;
    }
    this.#subsets = next;
    if (isChanged) this.#all = noPeers.concat(...[...next.values()].map(({ peers }) => peers));
    return this.#all;
  }
}

class SubsetPeers {
  readonly #self: WireguardPublicKey;
  #members: readonly MemberRecord[] = [];
  /** One for each of the members, in their order. */
  #peers = noPeers;
  #epoch = 0;

  constructor(self: WireguardPublicKey) {
    this.#self = self;
  }

  get peers(): readonly PeerState[] {
    return this.#peers;
  }

  /**
   * Rolls keep their order and newcomers are the last, so mostly the members that were known are a
   * look away; only those after the first difference have to be searched for.
   *
   * @returns whether anything is different now
   */
  update(members: Iterable<MemberRecord>, key: StoredGroupKey): boolean {
    const [known, next] = [this.#members, [...members]];
    const same = sameAtStart(known, next);
    const isSameKey = this.#epoch === key.epoch;
    const kept = isSameKey ? same : 0;
    if (kept === next.length && kept === known.length) return false;
    const others = new Map(known.slice(same).map((member, at) => [member, this.#peers[same + at]]));
    const made = next.slice(kept).map((member, at) => {
      const before = kept + at < same ? this.#peers[kept + at] : others.get(member);
      return before && isSameKey ? before : this.#peer(member, key, before);
    });
    this.#peers = [...this.#peers.slice(0, kept), ...made];
    this.#members = next;
    this.#epoch = key.epoch;
    return true;
  }

  #peer(
    { keys, ipv4, ipv6 }: MemberRecord,
    { groupKey, epoch }: StoredGroupKey,
    before: PeerState | undefined,
  ): PeerState {
    const publicKey = keys.acting;
    return {
      publicKey,
      presharedKey: derivePresharedKey({ groupKey, epoch, publicKeys: [publicKey, this.#self] }),
      // Nothing else may come from it: cryptokey routing is what keeps a member to its own addresses.
      allowedIps:
        before?.allowedIps ??
        // Its sealed address as well, whatever the keying mode: it may change at any moment.
        [ipv4, ipv6, memberLinkLocal(ipv6), sealedAddress(ipv6)].map(hostPrefix),
    };
  }
}

function sameAtStart(known: readonly MemberRecord[], next: readonly MemberRecord[]): number {
  let count = 0;
  while (count < known.length && known[count] === next[count]) count += 1;
  return count;
}
