import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import {
  maxDeparted,
  type SharedKeyRecord,
  sharedKeyRecordSchema,
} from '../../model/records/directory.ts';
import { groupKeySchema } from '../../model/wireguard-key.ts';
import { sharedKeyKey } from '../../store/keys.ts';
import type { Entry, Transaction } from '../../store/store.ts';
import { openSealed, type SealingKey, seal } from '../../trust/sealing.ts';
import type { StoredGroupKey } from '../group-key-store.ts';

/** The key that every subset is to have, opened. */
export interface SharedKey extends StoredGroupKey {
  /** Members who have left any subset lately. */
  readonly departed: SharedKeyRecord['departed'];
}

/** WireGuard ends a session that is older (whitepaper §6.1), and without the key there is no other: three times that. */
const departedForMs = 540_000;

/** @throws InvalidInputError, TrustError when the record or its seal is not right */
export function openSharedKey(entry: Entry, sealingKey: SealingKey): SharedKey {
  const { epoch, sealedKey, createdAtMs, departed } = decodeRecord(
    sharedKeyRecordSchema,
    entry.key,
    entry.value,
  );
  const groupKey = groupKeySchema.parse(openSealed(sealingKey, sealedKey, entry.key));
  return { epoch, groupKey, createdAtMs, departed, revision: entry.modRevision };
}

/** Puts a key in the place of the one that is there. It fails when another master was first. */
export function planSharedKey(
  next: Omit<SharedKey, 'revision'>,
  before: SharedKey | undefined,
  sealingKey: SealingKey,
): Transaction {
  const { epoch, groupKey, createdAtMs, departed } = next;
  const sealedKey = seal(sealingKey, groupKey, sharedKeyKey);
  const record: SharedKeyRecord = { version: 1, epoch, sealedKey, createdAtMs, departed };
  return {
    if: [{ key: sharedKeyKey, modRevision: before?.revision ?? 0 }],
    then: [{ put: sharedKeyKey, value: encodeRecord(record) }],
  };
}

/** Each once, the latest first, and nobody of whom no session can be left. */
export function mergeDeparted(
  lists: readonly SharedKeyRecord['departed'][],
  nowMs: number,
): SharedKeyRecord['departed'] {
  const latest = new Map<SharedKeyRecord['departed'][number]['key'], number>();
  for (const { key, atMs } of lists.flat()) {
    if (atMs + departedForMs > nowMs) latest.set(key, Math.max(atMs, latest.get(key) ?? 0));
  }
  return [...latest]
    .map(([key, atMs]) => ({ key, atMs }))
    .sort((one, other) => other.atMs - one.atMs || (one.key < other.key ? -1 : 1))
    .slice(0, maxDeparted);
}

/** Whether anybody would be new in the list, which holds no more than the latest. */
export function lacksDeparted(
  told: SharedKeyRecord['departed'],
  own: SharedKeyRecord['departed'],
  nowMs: number,
): boolean {
  const known = new Set(told.map(({ key }) => key));
  return mergeDeparted([told, own], nowMs).some(({ key }) => !known.has(key));
}
