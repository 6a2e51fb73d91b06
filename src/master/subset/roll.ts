import type { InviteFacts, RollFacts } from '../../core/admission.ts';
import type { PlacedInviteFacts } from '../../core/invite-turn.ts';
import { countsIn } from '../../core/move.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import {
  type BanRecord,
  banRecordSchema,
  type InviteRecord,
  type InviteUseRecord,
  inviteRecordSchema,
  inviteUseRecordSchema,
  isInRoll,
  type MemberRecord,
  memberRecordSchema,
  type PlacementRecord,
  placementRecordSchema,
} from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import {
  banPrefix,
  invitePrefix,
  inviteUsePrefix,
  memberPrefix,
  placementPrefix,
} from '../../store/keys.ts';
import type { Change, Entry } from '../../store/store.ts';

/** An invite, its uses and placements, and the revision that made it. */
export interface KnownInvite extends InviteFacts, PlacedInviteFacts {
  readonly createRevision: number;
}

/**
 * The roll of one subset in memory: what is under its `member/`, `ban/`, `invite/`, `invite-use/` and
 * `placement/` keys, indexed. It changes only through `put` and `delete`, with what the store has
 * acknowledged or delivered.
 */
export class Roll implements RollFacts {
  readonly #members = new Map<MemberName, MemberRecord>();
  readonly #activeByIdentity = new Map<IdentityKey, MemberRecord>();
  readonly #suspendedByIdentity = new Map<IdentityKey, MemberRecord>();
  readonly #byWireguardKey = new Map<WireguardPublicKey, MemberRecord>();
  readonly #byIndex = new Map<number, MemberRecord>();
  /** In the roll still, and ordered to another subset, or there already. */
  readonly #movers = new Map<MemberName, MemberRecord>();
  readonly #bans = new Map<IdentityKey, BanRecord>();
  readonly #invites = new Map<
    string,
    { readonly invite: InviteRecord; readonly createRevision: number }
  >();
  /** Those that admit one node alone, as orders to move do. */
  readonly #invitesForOne = new Set<string>();
  readonly #uses = new Map<string, Map<number, InviteUseRecord>>();
  readonly #placements = new Map<string, Map<IdentityKey, PlacementRecord>>();
  /** One more than the greatest use that was ever given, by invite. */
  readonly #countedUses = new Map<string, number>();
  readonly #prefixes: {
    member: string;
    ban: string;
    invite: string;
    use: string;
    placement: string;
  };
  #lastIndex = 0;

  constructor(subset: SubsetName) {
    const [member, ban, invite, use, placement] = Roll.prefixesOf(subset);
    this.#prefixes = { member, ban, invite, use, placement };
  }

  /** Where in the store a roll is: members, bans, invites, their uses, and placements by them. */
  static prefixesOf(subset: SubsetName): readonly [string, string, string, string, string] {
    return [
      memberPrefix(subset),
      banPrefix(subset),
      invitePrefix(subset),
      inviteUsePrefix(subset),
      placementPrefix(subset),
    ];
  }

  /** Takes a stored entry in; entries of other kinds are passed over. @throws InvalidInputError when it does not parse */
  put({ key, value, createRevision }: Entry): void {
    const { member, ban, invite, use, placement } = this.#prefixes;
    if (key.startsWith(member)) this.putMember(decodeRecord(memberRecordSchema, key, value));
    else if (key.startsWith(ban)) this.putBan(decodeRecord(banRecordSchema, key, value));
    else if (key.startsWith(invite)) {
      this.putInvite(decodeRecord(inviteRecordSchema, key, value), createRevision);
    } else if (key.startsWith(use)) {
      const [id, number] = splitInvite(key.slice(use.length));
      this.putUse(id, Number(number), decodeRecord(inviteUseRecordSchema, key, value));
    } else if (key.startsWith(placement)) {
      const [id] = splitInvite(key.slice(placement.length));
      this.putPlacement(id, decodeRecord(placementRecordSchema, key, value));
    }
  }

  delete(key: string): void {
    const { member, ban, invite, use, placement } = this.#prefixes;
    if (key.startsWith(member)) this.deleteMember(key.slice(member.length) as MemberName);
    else if (key.startsWith(ban)) this.#bans.delete(key.slice(ban.length) as IdentityKey);
    else if (key.startsWith(invite)) this.#deleteInvite(key.slice(invite.length));
    else if (key.startsWith(use)) {
      const [id, number] = splitInvite(key.slice(use.length));
      deleteOf(this.#uses, id, Number(number));
    } else if (key.startsWith(placement)) {
      const [id, identity] = splitInvite(key.slice(placement.length));
      deleteOf(this.#placements, id, identity as IdentityKey);
      if (!this.#placements.has(id)) this.#countedUses.delete(id);
    }
  }

  apply(change: Change): void {
    if (change.kind === 'put') this.put(change.entry);
    else this.delete(change.key);
  }

  /** Of which member the store key is the record; undefined when it is something else's. */
  memberNameOf(key: string): MemberName | undefined {
    const { member } = this.#prefixes;
    return key.startsWith(member) ? (key.slice(member.length) as MemberName) : undefined;
  }

  putMember(member: MemberRecord): void {
    const isNewPlace = this.#members.get(member.name)?.addressIndex !== member.addressIndex;
    this.deleteMember(member.name);
    this.#members.set(member.name, member);
    this.#byWireguardKey.set(member.keys.acting, member);
    this.#byIndex.set(member.addressIndex, member);
    if (member.state === 'active') this.#activeByIdentity.set(member.identityKey, member);
    if (member.state === 'suspended') this.#suspendedByIdentity.set(member.identityKey, member);
    if (isInRoll(member) && (member.moving || member.movedTo)) {
      this.#movers.set(member.name, member);
    }
    // A renewal gives nothing away, so the search for the next place goes on from where it was.
    if (isNewPlace) this.#lastIndex = member.addressIndex;
  }

  deleteMember(name: MemberName): void {
    const member = this.#members.get(name);
    if (!member) return;
    this.#members.delete(name);
    this.#movers.delete(name);
    if (this.#byWireguardKey.get(member.keys.acting) === member)
      this.#byWireguardKey.delete(member.keys.acting);
    if (this.#byIndex.get(member.addressIndex) === member)
      this.#byIndex.delete(member.addressIndex);
    for (const index of [this.#activeByIdentity, this.#suspendedByIdentity]) {
      if (index.get(member.identityKey) === member) index.delete(member.identityKey);
    }
  }

  putBan(ban: BanRecord): void {
    this.#bans.set(ban.identityKey, ban);
  }

  /** @param createRevision the revision that made it, for later comparisons */
  putInvite(invite: InviteRecord, createRevision: number): void {
    this.#invites.set(invite.id, { invite, createRevision });
    if (invite.identityKey !== undefined) this.#invitesForOne.add(invite.id);
  }

  #deleteInvite(id: string): void {
    this.#invites.delete(id);
    this.#invitesForOne.delete(id);
  }

  putUse(id: string, number: number, use: InviteUseRecord): void {
    const uses = this.#uses.get(id) ?? new Map<number, InviteUseRecord>();
    this.#uses.set(id, uses.set(number, use));
  }

  putPlacement(id: string, placement: PlacementRecord): void {
    const placements = this.#placements.get(id) ?? new Map<IdentityKey, PlacementRecord>();
    this.#placements.set(id, placements.set(placement.identityKey, placement));
    this.#countedUses.set(id, Math.max(this.#countedUses.get(id) ?? 0, placement.use + 1));
  }

  findByName(name: MemberName): MemberRecord | undefined {
    return this.#members.get(name);
  }

  findActive(name: MemberName): MemberRecord | undefined {
    const member = this.#members.get(name);
    return member?.state === 'active' ? member : undefined;
  }

  findActiveByIdentity(identityKey: IdentityKey): MemberRecord | undefined {
    return this.#activeByIdentity.get(identityKey);
  }

  findSuspendedByIdentity(identityKey: IdentityKey): MemberRecord | undefined {
    return this.#suspendedByIdentity.get(identityKey);
  }

  findByWireguardKey(key: WireguardPublicKey): MemberRecord | undefined {
    return this.#byWireguardKey.get(key);
  }

  /** @param index a place in the subset's blocks, see `core/addressing` */
  findByPlace(index: number): MemberRecord | undefined {
    return this.#byIndex.get(index);
  }

  findInvite(id: string): KnownInvite | undefined {
    const known = this.#invites.get(id);
    return known && this.#withUses(known);
  }

  isBanned(identityKey: IdentityKey): boolean {
    return this.#bans.has(identityKey);
  }

  get takenIndexes(): { has(index: number): boolean } {
    return this.#byIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** How many places are taken, by members and by those whose addresses rest. */
  get takenCount(): number {
    return this.#byIndex.size;
  }

  get activeCount(): number {
    return this.#activeByIdentity.size;
  }

  get suspendedCount(): number {
    return this.#suspendedByIdentity.size;
  }

  /**
   * How many members count against capacities: each once in all rolls, where it is going. The
   * suspended are among them, and so is who is on its way here, by the invite that is for it alone.
   */
  countedAt(nowMs: number): number {
    const others = this.#movers
      .values()
      .filter((member) => countsIn(member, nowMs) !== member.subset);
    const coming = this.#invitesForOne.values().filter((id) => this.#isAwaited(id, nowMs));
    return this.activeCount + this.suspendedCount - count(others) + count(coming);
  }

  #isAwaited(id: string, nowMs: number): boolean {
    const { invite } = this.#invites.get(id) ?? {};
    if (!invite?.identityKey || invite.expiresAtMs <= nowMs || this.#uses.has(id)) return false;
    const { identityKey } = invite;
    return !this.#activeByIdentity.has(identityKey) && !this.#suspendedByIdentity.has(identityKey);
  }

  /** In no particular order. */
  members(): IterableIterator<MemberRecord> {
    return this.#members.values();
  }

  activeMembers(): IterableIterator<MemberRecord> {
    return this.#activeByIdentity.values();
  }

  suspendedMembers(): IterableIterator<MemberRecord> {
    return this.#suspendedByIdentity.values();
  }

  invites(): readonly KnownInvite[] {
    return [...this.#invites.values()].map((known) => this.#withUses(known));
  }

  #withUses(known: Pick<KnownInvite, 'invite' | 'createRevision'>): KnownInvite {
    const { id } = known.invite;
    const placements = this.#placements.get(id) ?? new Map<IdentityKey, PlacementRecord>();
    const counted = this.#countedUses.get(id) ?? 0;
    return { ...known, uses: this.#uses.get(id) ?? new Map(), placements, counted };
  }

  /** Uses of invites that are not there any more. */
  *orphanedUses(): Generator<[inviteId: string, use: number]> {
    for (const [id, uses] of this.#uses) {
      if (!this.#invites.has(id)) for (const use of uses.keys()) yield [id, use];
    }
  }

  /** As `orphanedUses`. */
  *orphanedPlacements(): Generator<[inviteId: string, identity: IdentityKey]> {
    for (const [id, placements] of this.#placements) {
      if (!this.#invites.has(id)) for (const identity of placements.keys()) yield [id, identity];
    }
  }

  bans(): IterableIterator<BanRecord> {
    return this.#bans.values();
  }
}

const count = (some: IteratorObject<unknown>): number => some.reduce<number>((sum) => sum + 1, 0);

/** Of one invite; without the last, nothing is kept of the invite either. */
function deleteOf<Key>(of: Map<string, Map<Key, unknown>>, id: string, key: Key): void {
  const known = of.get(id);
  known?.delete(key);
  if (known?.size === 0) of.delete(id);
}

/** `ID/WHICH` */
function splitInvite(text: string): [id: string, which: string] {
  const slash = text.lastIndexOf('/');
  return [text.slice(0, slash), text.slice(slash + 1)];
}
