import type { InviteFacts, RollFacts } from '../../core/admission.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import {
  type BanRecord,
  banRecordSchema,
  decodeRecord,
  type IdentityKey,
  type InviteRecord,
  type InviteUseRecord,
  inviteRecordSchema,
  inviteUseRecordSchema,
  type MemberRecord,
  memberRecordSchema,
} from '../../model/records.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { banPrefix, invitePrefix, inviteUsePrefix, memberPrefix } from '../../store/keys.ts';
import type { Change, Entry } from '../../store/store.ts';

/** An invite, its uses, and the revision that made it. */
export interface KnownInvite extends InviteFacts {
  readonly createRevision: number;
}

/**
 * The roll of one subset in memory: what is under its `member/`, `ban/`, `invite/` and
 * `invite-use/` keys, indexed. It changes only through `put` and `delete`, with what the store has
 * acknowledged or delivered.
 */
export class Roll implements RollFacts {
  readonly #members = new Map<MemberName, MemberRecord>();
  readonly #activeByIdentity = new Map<IdentityKey, MemberRecord>();
  readonly #suspendedByIdentity = new Map<IdentityKey, MemberRecord>();
  readonly #byWireguardKey = new Map<WireguardPublicKey, MemberRecord>();
  readonly #byIndex = new Map<number, MemberRecord>();
  readonly #bans = new Map<IdentityKey, BanRecord>();
  readonly #invites = new Map<
    string,
    { readonly invite: InviteRecord; readonly createRevision: number }
  >();
  readonly #uses = new Map<string, Map<number, InviteUseRecord>>();
  readonly #prefixes: { member: string; ban: string; invite: string; use: string };
  #lastIndex = 0;

  constructor(subset: SubsetName) {
    const [member, ban, invite, use] = Roll.prefixesOf(subset);
    this.#prefixes = { member, ban, invite, use };
  }

  /** Where in the store a roll is: members, bans, invites and their uses. */
  static prefixesOf(subset: SubsetName): readonly [string, string, string, string] {
    return [memberPrefix(subset), banPrefix(subset), invitePrefix(subset), inviteUsePrefix(subset)];
  }

  /** Takes a stored entry in; entries of other kinds are passed over. @throws InvalidInputError when it does not parse */
  put({ key, value, createRevision }: Entry): void {
    const { member, ban, invite, use } = this.#prefixes;
    if (key.startsWith(member)) this.putMember(decodeRecord(memberRecordSchema, key, value));
    else if (key.startsWith(ban)) this.putBan(decodeRecord(banRecordSchema, key, value));
    else if (key.startsWith(invite)) {
      this.putInvite(decodeRecord(inviteRecordSchema, key, value), createRevision);
    } else if (key.startsWith(use)) {
      const [id, number] = splitUse(key.slice(use.length));
      this.putUse(id, number, decodeRecord(inviteUseRecordSchema, key, value));
    }
  }

  delete(key: string): void {
    const { member, ban, invite, use } = this.#prefixes;
    if (key.startsWith(member)) this.deleteMember(key.slice(member.length) as MemberName);
    else if (key.startsWith(ban)) this.#bans.delete(key.slice(ban.length) as IdentityKey);
    else if (key.startsWith(invite)) this.#invites.delete(key.slice(invite.length));
    else if (key.startsWith(use)) {
      const [id, number] = splitUse(key.slice(use.length));
      const uses = this.#uses.get(id);
      uses?.delete(number);
      if (uses?.size === 0) this.#uses.delete(id);
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
    // A renewal gives nothing away, so the search for the next place goes on from where it was.
    if (isNewPlace) this.#lastIndex = member.addressIndex;
  }

  deleteMember(name: MemberName): void {
    const member = this.#members.get(name);
    if (!member) return;
    this.#members.delete(name);
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
  }

  putUse(id: string, number: number, use: InviteUseRecord): void {
    const uses = this.#uses.get(id) ?? new Map<number, InviteUseRecord>();
    this.#uses.set(id, uses.set(number, use));
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
    return known && { ...known, uses: this.#uses.get(id) ?? new Map() };
  }

  findBan(identityKey: IdentityKey): BanRecord | undefined {
    return this.#bans.get(identityKey);
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
    return [...this.#invites.values()].map((known) => ({
      ...known,
      uses: this.#uses.get(known.invite.id) ?? new Map(),
    }));
  }

  /** Uses of invites that are not there any more. */
  *orphanedUses(): Generator<[inviteId: string, use: number]> {
    for (const [id, uses] of this.#uses) {
      if (!this.#invites.has(id)) for (const use of uses.keys()) yield [id, use];
    }
  }

  bans(): IterableIterator<BanRecord> {
    return this.#bans.values();
  }
}

function splitUse(text: string): [id: string, number: number] {
  const slash = text.lastIndexOf('/');
  return [text.slice(0, slash), Number(text.slice(slash + 1))];
}
