import type { MemberName, SubsetName } from '../../model/names.ts';
import type { Epoch } from '../../model/wireguard-key.ts';

interface Newest {
  readonly epoch: Epoch;
  readonly members: Set<MemberName>;
}

/**
 * Who has applied the newest key of each subset, as far as this master was told. It outlives sessions
 * and is forgotten with the process, so it may know less than is true and never more: every departure
 * makes a new key, so that a name is nobody else's in the same epoch.
 */
export class AppliedKeys {
  readonly #newest = new Map<SubsetName, Newest>();

  add(subset: SubsetName, member: MemberName, epoch: Epoch): void {
    const known = this.#newest.get(subset);
    if (known && known.epoch > epoch) return;
    if (known?.epoch === epoch) known.members.add(member);
    else this.#newest.set(subset, { epoch, members: new Set([member]) });
  }

  has(subset: SubsetName, member: MemberName, epoch: Epoch): boolean {
    const known = this.#newest.get(subset);
    return known !== undefined && known.epoch >= epoch && known.members.has(member);
  }

  forget(subset: SubsetName): void {
    this.#newest.delete(subset);
  }
}
