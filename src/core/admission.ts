import type { MemberName } from '../model/names.ts';
import {
  type IdentityKey,
  type InviteRecord,
  type InviteUseRecord,
  isInRoll,
  type MemberKeys,
  type MemberRecord,
  type SubsetRecord,
} from '../model/records.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { addressCapacity, addressesAt, nextAddressIndex } from './addressing.ts';

/** What an admission is decided on. */
export interface RollFacts {
  /** In whatever state; a name whose record is still there is not free. */
  findByName(name: MemberName): MemberRecord | undefined;
  /** The active member with the key. */
  findActiveByIdentity(identityKey: IdentityKey): MemberRecord | undefined;
  /** The suspended member with the key. */
  findSuspendedByIdentity(identityKey: IdentityKey): MemberRecord | undefined;
  /** In whatever state. */
  findByWireguardKey(key: WireguardPublicKey): MemberRecord | undefined;
  isBanned(identityKey: IdentityKey): boolean;
  readonly takenIndexes: { has(index: number): boolean };
  /** The place given last; 0 before the first. */
  readonly lastIndex: number;
}

/** An invite and what has become of it. */
export interface InviteFacts {
  readonly invite: InviteRecord;
  /** The uses taken so far, by number. */
  readonly uses: ReadonlyMap<number, InviteUseRecord>;
}

export interface AdmissionRequest {
  readonly name: MemberName;
  /** The key that the TLS handshake proved. */
  readonly identityKey: IdentityKey;
  readonly keys: MemberKeys;
}

export interface AdmissionFacts {
  readonly nowMs: number;
  readonly subset: SubsetRecord;
  readonly roll: RollFacts;
  /** The one that the token names. */
  readonly inviteId: string;
  /** Undefined when the token's invite is not in the roll: revoked, or forgotten after its end. */
  readonly invite: InviteFacts | undefined;
  readonly request: AdmissionRequest;
  readonly certificateEndsAtMs: number;
}

export type AdmissionRefusal =
  | 'token-used'
  | 'token-expired'
  | 'name-taken'
  | 'key-taken'
  | 'banned'
  | 'suspended'
  | 'subset-full';

export type AdmissionDecision =
  /** A new member, and the number of the invite's use that it takes. */
  | { readonly kind: 'admit'; readonly member: MemberRecord; readonly inviteUse: number }
  /** The same key presents the same invite again: its first answer was lost. */
  | { readonly kind: 'repeat'; readonly member: MemberRecord }
  | { readonly kind: 'refuse'; readonly code: AdmissionRefusal; readonly message: string };

export function decideAdmission(facts: AdmissionFacts): AdmissionDecision {
  const { invite, request, roll } = facts;
  if (roll.isBanned(request.identityKey)) {
    return refuse(
      'banned',
      `this node is banned from ${facts.subset.name}: an operator can lift it with "hanse member unban"`,
    );
  }
  const suspended = roll.findSuspendedByIdentity(request.identityKey);
  if (suspended) return refuse('suspended', describeSuspension(suspended));
  const known = roll.findActiveByIdentity(request.identityKey);
  if (known && known.inviteId === facts.inviteId) return { kind: 'repeat', member: known };
  if (!invite)
    return refuse(
      'token-used',
      'the invite was revoked, or ended some time ago: ask for a new one',
    );
  if (invite.invite.expiresAtMs <= facts.nowMs) {
    return refuse(
      'token-expired',
      `the invite ended at ${new Date(invite.invite.expiresAtMs).toISOString()}: ask for a new one`,
    );
  }
  const inviteUse = firstFreeUse(invite);
  if (inviteUse === undefined) {
    return refuse(
      'token-used',
      `the invite has been used ${invite.invite.uses} of ${invite.invite.uses} times: ask for a new one`,
    );
  }
  return refuseClash(facts, invite.invite, known) ?? admit(facts, invite.invite, inviteUse);
}

function firstFreeUse({ invite, uses }: InviteFacts): number | undefined {
  // Uses are taken in order, so the first free one is almost always the number of those taken.
  for (let use = uses.size; use < invite.uses; use += 1) if (!uses.has(use)) return use;
  for (let use = 0; use < Math.min(uses.size, invite.uses); use += 1)
    if (!uses.has(use)) return use;
  return undefined;
}

/** Whatever another member has already, nobody else may get while it could still be trusted. */
function refuseClash(
  { roll, request, subset }: AdmissionFacts,
  invite: InviteRecord,
  known: MemberRecord | undefined,
): AdmissionDecision | undefined {
  if (known) {
    return refuse(
      'key-taken',
      `this node is already ${known.name} in ${subset.name}: "hanse leave" first to join anew`,
    );
  }
  const name = invite.memberName ?? request.name;
  const bearer = roll.findByName(name);
  // Nobody is deceived when the same node takes its own former name up again.
  if (bearer && (isInRoll(bearer) || bearer.identityKey !== request.identityKey)) {
    return refuse('name-taken', describeTakenName(bearer));
  }
  const holder = roll.findByWireguardKey(request.keys.acting);
  if (holder && holder.name !== bearer?.name) {
    return refuse(
      'key-taken',
      'another member has this WireGuard key: make a new one for this node',
    );
  }
  return undefined;
}

/** What a suspended member is told, and whoever asks for it. */
export function describeSuspension({
  name,
  subset,
}: Pick<MemberRecord, 'name' | 'subset'>): string {
  return `${name} is suspended in ${subset}, which was restored from a backup: an operator lets it in again with "hanse member confirm ${name}.${subset}"`;
}

function describeTakenName(bearer: MemberRecord): string {
  const { name, subset, reusableAtMs } = bearer;
  const free =
    isInRoll(bearer) || reusableAtMs === undefined
      ? ''
      : ` until ${new Date(reusableAtMs).toISOString()}`;
  const why = isInRoll(bearer) ? 'there is' : 'certificates may still be trusted of';
  return `${why} a member ${name} in ${subset}${free}: join with another --name`;
}

function admit(facts: AdmissionFacts, invite: InviteRecord, inviteUse: number): AdmissionDecision {
  const { roll, request, subset } = facts;
  const name = invite.memberName ?? request.name;
  const index =
    roll.findByName(name)?.addressIndex ??
    nextAddressIndex(roll.takenIndexes, roll.lastIndex, addressCapacity(subset.ipv4Blocks));
  if (index === undefined) {
    return refuse(
      'subset-full',
      `every address of ${subset.name} is taken: its master adds a block, try again`,
    );
  }
  const member: MemberRecord = {
    version: 1,
    name,
    subset: subset.name,
    state: 'active',
    identityKey: request.identityKey,
    keys: request.keys,
    addressIndex: index,
    ...addressesAt(subset, index),
    inviteId: invite.id,
    joinedAtMs: facts.nowMs,
    certificateEndsAtMs: facts.certificateEndsAtMs,
    alsoIn: [],
  };
  return { kind: 'admit', member, inviteUse };
}

function refuse(code: AdmissionRefusal, message: string): AdmissionDecision {
  return { kind: 'refuse', code, message };
}
