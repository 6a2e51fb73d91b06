import { parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { type GroupKeyRecord, groupKeyRecordSchema } from '../../model/records/directory.ts';
import {
  type MemberRecord,
  memberRecordSchema,
  type RestoredRecord,
} from '../../model/records/roll.ts';
import type { KeyValue } from '../../store/differences.ts';
import { compareKeys } from '../../store/key-range.ts';
import { actingPrefix, backboneKeyKey, backboneKeyPrefix, restoredKey } from '../../store/keys.ts';
import { seal } from '../../trust/sealing.ts';
import { createGroupKey } from '../../trust/wireguard-keys.ts';
import type { BackupContents } from './backup-file.ts';
import type { CheckedBackup } from './check-backup.ts';

export interface RestorationFacts {
  readonly restoredAtMs: number;
  /** Whether members are let in again without a word of an operator for each. */
  readonly confirmMembers: boolean;
}

/**
 * What the store of a restored VPN holds: what the backup has, so that nothing of it revives what
 * was ended after it.
 * - Active members are suspended, and their certificates count as if renewed until now.
 * - Invites are gone: they may have been used up or revoked since.
 * - Every roll is marked, so that its key is replaced before it is used; the backbone's key is
 *   replaced here.
 * - Who acted for what is gone; leases decide it anew.
 * @returns in key order
 */
export function planRestoredStore(
  { header, entries }: BackupContents,
  { vpn, sealingKey, subsets }: CheckedBackup,
  facts: RestorationFacts,
): readonly KeyValue[] {
  const certificateEndsAtMs = facts.restoredAtMs + vpn.lifetimes.certificateMs;
  const kept = entries.flatMap((entry): readonly KeyValue[] => {
    if (isLeftOut(entry.key)) return [];
    if (!isMemberKey(entry.key)) return [entry];
    const member = decodeRecord(memberRecordSchema, entry.key, entry.value);
    const restored = restoreMember(member, { ...facts, certificateEndsAtMs });
    return [{ key: entry.key, value: encodeRecord(restored) }];
  });
  const mark: RestoredRecord = {
    version: 1,
    backupAtMs: header.createdAtMs,
    restoredAtMs: facts.restoredAtMs,
  };
  const marked = new Set(
    subsets
      .filter(({ region }) => region === undefined)
      .map(({ name }) => restoredKey(parseSubsetName(name))),
  );
  return [
    ...kept.filter(({ key }) => !marked.has(key)),
    ...[...marked].map((key) => ({ key, value: encodeRecord(mark) })),
    nextBackboneKey(entries, sealingKey, facts.restoredAtMs),
  ].sort((one, other) => compareKeys(one.key, other.key));
}

const isMemberKey = (key: string): boolean => /^roll\/[^/]+\/member\//.test(key);

function isLeftOut(key: string): boolean {
  return (
    key.startsWith(actingPrefix) || /^roll\/[^/]+\/(?:invite|invite-use|placement)\//.test(key)
  );
}

function restoreMember(
  member: MemberRecord,
  facts: RestorationFacts & { readonly certificateEndsAtMs: number },
): MemberRecord {
  if (member.state !== 'active') return member;
  return {
    ...member,
    state: facts.confirmMembers ? 'active' : 'suspended',
    // It may have renewed until the VPN was lost: names and addresses must rest as long.
    certificateEndsAtMs: Math.max(member.certificateEndsAtMs, facts.certificateEndsAtMs),
  };
}

function nextBackboneKey(
  entries: readonly KeyValue[],
  sealingKey: CheckedBackup['sealingKey'],
  nowMs: number,
): KeyValue {
  const epochs = entries
    .filter(({ key }) => key.startsWith(backboneKeyPrefix))
    .map(({ key, value }) => decodeRecord(groupKeyRecordSchema, key, value).epoch);
  const epoch = Math.max(0, ...epochs) + 1;
  const key = backboneKeyKey(epoch);
  const record: GroupKeyRecord = {
    version: 1,
    epoch,
    sealedKey: seal(sealingKey, createGroupKey(), key),
    createdAtMs: nowMs,
  };
  return { key, value: encodeRecord(record) };
}
