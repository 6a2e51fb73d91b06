import type { MemberName, SubsetName } from '../model/names.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import {
  type InviteRecord,
  type InviteUseRecord,
  isInRoll,
  type MemberKeys,
  type MemberRecord,
} from '../model/records/roll.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { addressCapacity, addressesAt, type Blocks, nextAddressIndex } from './addressing.ts';

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

/** What a newcomer was promised by the home subset of an invite; proved to be that one's word, for this newcomer. */
export interface ClaimedPlace {
  readonly home: SubsetName;
  /** The number of the invite's use. */
  readonly use: number;
  /** See `placementRecordSchema`. */
  readonly turn: number;
  readonly expiresAtMs: number;
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
  /** Those of the subset's blocks that addresses are given out of; from the first one on. */
  readonly blocks: Blocks;
  readonly roll: RollFacts;
  /** The one that the token names. */
  readonly inviteId: string;
  /** Undefined when the token's invite is not in the roll: revoked, or forgotten after its end. */
  readonly invite: InviteFacts | undefined;
  readonly request: AdmissionRequest;
  /** Absent from who presents the invite itself. */
  readonly claim?: ClaimedPlace | undefined;
  /** What the policy lets this master act for, when it acts for as many; placed newcomers only are held to it. */
  readonly fullWith?: number | undefined;
  readonly certificateEndsAtMs: number;
}

export type AdmissionRefusal =
  | 'bad-token'
  | 'token-used'
  | 'token-expired'
  | 'name-taken'
  | 'key-taken'
  | 'banned'
  | 'suspended'
  | 'subset-full'
  | 'claim-refused'
  | 'claim-expired'
  | 'master-full';

export type AdmissionDecision =
  /** A new member, and the number of the invite's use that it takes. */
  | { readonly kind: 'admit'; readonly member: MemberRecord; readonly inviteUse: number }
  /** The same key presents the same invite again: its first answer was lost. */
  | { readonly kind: 'repeat'; readonly member: MemberRecord }
  | Refusal;

interface Refusal {
  readonly kind: 'refuse';
  readonly code: AdmissionRefusal;
  readonly message: string;
}

/** Of whoever has not got the invite, or cannot use it any more. */
export interface InviteRefusal {
  readonly kind: 'refuse';
  readonly code: 'bad-token' | 'token-used' | 'token-expired';
  readonly message: string;
}

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
  if (!invite) return revokedInvite;
  const refusal = refuseInvite(invite.invite, request.identityKey, facts.nowMs);
  if (refusal) return refusal;
  const inviteUse = facts.claim ? claimedUse(invite, facts.claim, facts) : nextUse(invite);
  if (typeof inviteUse !== 'number') return inviteUse;
  return (
    refuseClash(facts, invite.invite, known) ??
    refuseFull(facts) ??
    admit(facts, invite.invite, inviteUse)
  );
}

/** Of an invite that is not in the roll: revoked, or forgotten after its end. */
export const revokedInvite: InviteRefusal = {
  kind: 'refuse',
  code: 'token-used',
  message: 'the invite was revoked, or ended some time ago: ask for a new one',
};

/** What a node is told that the invite is not for, or not any more; undefined when it may have it. */
export function refuseInvite(
  { identityKey: invited, expiresAtMs }: InviteRecord,
  identityKey: IdentityKey,
  nowMs: number,
): InviteRefusal | undefined {
  if (invited !== undefined && invited !== identityKey) {
    const message =
      'the invite is for another node, as its identity key says: ask for one of your own';
    return { kind: 'refuse', code: 'bad-token', message };
  }
  if (expiresAtMs > nowMs) return undefined;
  const message = `the invite ended at ${new Date(expiresAtMs).toISOString()}: ask for a new one`;
  return { kind: 'refuse', code: 'token-expired', message };
}

export function refuseUsedUp({ uses }: InviteRecord): InviteRefusal {
  const message = `the invite has been used ${uses} of ${uses} times: ask for a new one`;
  return { kind: 'refuse', code: 'token-used', message };
}

function nextUse(facts: InviteFacts): number | Refusal {
  const { placedBy } = facts.invite;
  if (placedBy !== undefined) {
    return refuse('claim-refused', `the invite is for who was given a place by ${placedBy}`);
  }
  return firstFreeUse(facts) ?? refuseUsedUp(facts.invite);
}

function claimedUse(
  { invite, uses }: InviteFacts,
  { home, use, turn, expiresAtMs }: ClaimedPlace,
  { nowMs, request }: AdmissionFacts,
): number | Refusal {
  if (invite.placedBy !== home) {
    return refuse('claim-refused', `no invite of this subset lets ${home} give places in it`);
  }
  if (use >= invite.uses) {
    return refuse('claim-refused', `the invite has ${invite.uses} uses, and this is another one`);
  }
  if (expiresAtMs <= nowMs) {
    return refuse(
      'claim-expired',
      `the place was kept until ${new Date(expiresAtMs).toISOString()}`,
    );
  }
  const taken = uses.get(use);
  if (!taken) return use;
  const { releasedTurn, identityKey } = taken;
  if (releasedTurn === undefined || identityKey !== request.identityKey) {
    return refuse('token-used', 'somebody has joined by this use of the invite');
  }
  if (turn > releasedTurn) return use;
  return refuse('claim-refused', 'the place was given up for another one');
}

function refuseFull({ claim, fullWith }: AdmissionFacts): Refusal | undefined {
  if (!claim || fullWith === undefined) return undefined;
  return refuse('master-full', `the master is full with ${fullWith} members`);
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
): Refusal | undefined {
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
  const { request, subset, blocks } = facts;
  const name = invite.memberName ?? request.name;
  const index = placeFor(name, facts);
  if (index === undefined) return refuse('subset-full', describeFull(subset, blocks));
  const member: MemberRecord = {
    version: 1,
    name,
    subset: subset.name,
    state: 'active',
    identityKey: request.identityKey,
    keys: request.keys,
    addressIndex: index,
    ...addressesAt(blocks, index),
    inviteId: invite.id,
    ...(givesName(invite) ? { isNamedByInvite: true } : {}),
    joinedAtMs: facts.nowMs,
    certificateEndsAtMs: facts.certificateEndsAtMs,
    alsoIn: [],
  };
  return { kind: 'admit', member, inviteUse };
}

/** An invite that moves a node repeats the name that it has, which may be its own word. */
function givesName({ memberName, identityKey, isNamedByInvite }: InviteRecord): boolean {
  return memberName !== undefined && (identityKey === undefined || isNamedByInvite === true);
}

/** Whoever takes its former name up again has its former place, if members may have that still. */
function placeFor(name: MemberName, { roll, blocks }: AdmissionFacts): number | undefined {
  const capacity = addressCapacity(blocks.ipv4Blocks);
  const former = roll.findByName(name)?.addressIndex;
  if (former !== undefined && former <= capacity) return former;
  return nextAddressIndex(roll.takenIndexes, roll.lastIndex, capacity);
}

function describeFull({ name, ipv4Blocks }: SubsetRecord, blocks: Blocks): string {
  return blocks.ipv4Blocks.length < ipv4Blocks.length
    ? `every address of ${name} that its masters' certificates prove is taken: an operator has to give them younger ones with "hanse master renew"`
    : `every address of ${name} is taken: its master adds a block, try again`;
}

function refuse(code: AdmissionRefusal, message: string): Refusal {
  return { kind: 'refuse', code, message };
}
