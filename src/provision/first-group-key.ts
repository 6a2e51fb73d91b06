import { encodeRecord } from '../model/records/codec.ts';
import type { GroupKeyRecord } from '../model/records/directory.ts';
import { type SealingKey, seal } from '../trust/sealing.ts';
import { createGroupKey } from '../trust/wireguard-keys.ts';

/** Puts a new group key of epoch 1 under the store key, which is also what it is sealed for. */
export function firstGroupKey(
  key: string,
  sealingKey: SealingKey,
  nowMs: number,
): { readonly put: string; readonly value: Uint8Array } {
  const record: GroupKeyRecord = {
    version: 1,
    epoch: 1,
    sealedKey: seal(sealingKey, createGroupKey(), key),
    createdAtMs: nowMs,
  };
  return { put: key, value: encodeRecord(record) };
}
